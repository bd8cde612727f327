//! Which members an expression reads.

use cel::IdedExpr;
use cel::common::ast::{EntryExpr, Expr, LiteralValue, operators};

/// The paths of members that a tree reads below a variable, each once, in the
/// order of the text.
pub(super) fn reads(root: &IdedExpr, variable: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut walk = Walk { variable, hidden: 0, found: &mut found };
    walk.expression(root);
    found
}

struct Walk<'w> {
    variable: &'w str,
    /// How many comprehensions around give the name to something else.
    hidden: usize,
    found: &'w mut Vec<Vec<String>>,
}

impl Walk<'_> {
    fn expression(&mut self, node: &IdedExpr) {
        if let Some(path) = self.path(node) {
            if !self.found.contains(&path) {
                self.found.push(path);
            }
            return;
        }
        match &node.expr {
            Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => {}
            Expr::Select(select) => self.expression(&select.operand),
            Expr::Call(call) => {
                call.target.iter().for_each(|target| self.expression(target));
                call.args.iter().for_each(|argument| self.expression(argument));
            }
            Expr::List(list) => list.elements.iter().for_each(|element| self.expression(element)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.entry(&entry.expr)),
            Expr::Struct(message) => message.entries.iter().for_each(|entry| self.entry(&entry.expr)),
            Expr::Comprehension(comprehension) => {
                self.expression(&comprehension.iter_range);
                let hides = usize::from(comprehension.iter_var == self.variable);
                self.hidden += hides;
                self.expression(&comprehension.accu_init);
                self.expression(&comprehension.loop_cond);
                self.expression(&comprehension.loop_step);
                self.expression(&comprehension.result);
                self.hidden -= hides;
            }
        }
    }

    fn entry(&mut self, entry: &EntryExpr) {
        match entry {
            EntryExpr::StructField(field) => self.expression(&field.value),
            EntryExpr::MapEntry(entry) => {
                self.expression(&entry.key);
                self.expression(&entry.value);
            }
        }
    }

    /// The path that a node is, if it is nothing but one.
    fn path(&self, node: &IdedExpr) -> Option<Vec<String>> {
        let mut path = Vec::new();
        let mut node = node;
        loop {
            match &node.expr {
                Expr::Ident(name) => {
                    let is_root = name.strip_prefix('.') == Some(self.variable);
                    let is_it = is_root || (self.hidden == 0 && name == self.variable);
                    path.reverse();
                    return is_it.then_some(path);
                }
                Expr::Select(select) => {
                    path.push(select.field.clone());
                    node = &select.operand;
                }
                Expr::Call(call) if call.func_name == operators::INDEX => {
                    let [value, index] = call.args.as_slice() else { return None };
                    let Expr::Literal(LiteralValue::String(name)) = &index.expr else { return None };
                    path.push(name.inner().to_owned());
                    node = value;
                }
                Expr::Call(_)
                | Expr::Comprehension(_)
                | Expr::List(_)
                | Expr::Literal(_)
                | Expr::Map(_)
                | Expr::Struct(_)
                | Expr::Unspecified => return None,
            }
        }
    }
}
