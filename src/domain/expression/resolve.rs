//! Every name in an expression stands for something, or the expression is refused.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, EntryExpr, Expr, SelectExpr};

use super::ExpressionError;
use super::parse::{Parsed, error};
use crate::domain::near::nearest;

/// How many operators and selections may stand around a value: whatever walks
/// the tree recurses that deeply.
pub(super) const DEPTH_MAX: usize = 128;

/// How many comprehensions may stand in each other's bodies.
const LOOPS_MAX: usize = 3;

/// The names of types, which `type(x)` can be compared with.
pub(super) const TYPES: [&str; 10] =
    ["bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"];

/// Functions, the number of arguments where called by name, and where called on a value.
const FUNCTIONS: [(&str, &[usize], &[usize]); 28] = [
    ("size", &[1], &[0]),
    ("string", &[1], &[]),
    ("int", &[1], &[]),
    ("uint", &[1], &[]),
    ("double", &[1], &[]),
    ("bool", &[1], &[]),
    ("bytes", &[1], &[]),
    ("type", &[1], &[]),
    ("dyn", &[1], &[]),
    ("duration", &[1], &[]),
    ("timestamp", &[1], &[]),
    ("contains", &[], &[1]),
    ("startsWith", &[], &[1]),
    ("endsWith", &[], &[1]),
    ("matches", &[2], &[1]),
    ("getFullYear", &[], &[0, 1]),
    ("getMonth", &[], &[0, 1]),
    ("getDate", &[], &[0, 1]),
    ("getDayOfMonth", &[], &[0, 1]),
    ("getDayOfWeek", &[], &[0, 1]),
    ("getDayOfYear", &[], &[0, 1]),
    ("getHours", &[], &[0, 1]),
    ("getMinutes", &[], &[0, 1]),
    ("getSeconds", &[], &[0, 1]),
    ("getMilliseconds", &[], &[0, 1]),
    ("existsOne", &[], &[]),
    ("has", &[], &[]),
    ("exists_one", &[], &[]),
];

/// What the parser turns into something else where it is written as it must be.
const MACROS: [(&str, &str); 7] = [
    ("has", "`has(x.member)`"),
    ("all", "`list.all(x, condition)`"),
    ("exists", "`list.exists(x, condition)`"),
    ("exists_one", "`list.exists_one(x, condition)`"),
    ("existsOne", "`list.existsOne(x, condition)`"),
    ("map", "`list.map(x, value)` or `list.map(x, condition, value)`"),
    ("filter", "`list.filter(x, condition)`"),
];

/// The names that an expression can start from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'n> {
    /// Those that have a value.
    pub(super) known: &'n [&'n str],
    /// Those that will have one in a later version.
    pub(super) later: &'n [&'n str],
}

/// Checks every name of a tree, and how deep it is.
pub(super) fn resolve(text: &str, parsed: &Parsed, names: Names<'_>) -> Result<(), ExpressionError> {
    let mut walk = Walk { text, parsed, names, bound: Vec::new() };
    walk.expression(&parsed.root, 0)
}

struct Walk<'w> {
    text: &'w str,
    parsed: &'w Parsed,
    names: Names<'w>,
    /// The variables of the comprehensions around, innermost last.
    bound: Vec<String>,
}

impl Walk<'_> {
    fn expression(&mut self, node: &IdedExpr, depth: usize) -> Result<(), ExpressionError> {
        let place = self.parsed.place(node.id);
        if depth > DEPTH_MAX {
            return Err(error(place, format!("nested too deeply: at most {DEPTH_MAX} operators around a value")));
        }
        let depth = depth + 1;
        match &node.expr {
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.variable(name, place),
            Expr::Select(SelectExpr { operand, .. }) => self.expression(operand, depth),
            Expr::Call(call) => self.call(call, place, depth),
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.expression(element, depth)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.expression(&entry.key, depth)?;
                    self.expression(&entry.value, depth)
                }
                EntryExpr::StructField(field) => self.expression(&field.value, depth),
            }),
            Expr::Comprehension(comprehension) => {
                self.expression(&comprehension.iter_range, depth)?;
                if self.bound.len() / 2 >= LOOPS_MAX {
                    let message = format!("more than {LOOPS_MAX} of `map`, `filter`, `all` and `exists` in each other");
                    return Err(error(place, message));
                }
                self.bound.extend([comprehension.iter_var.clone(), comprehension.accu_var.clone()]);
                let parts = [
                    &comprehension.accu_init,
                    &comprehension.loop_cond,
                    &comprehension.loop_step,
                    &comprehension.result,
                ];
                let checked = parts.into_iter().try_for_each(|part| self.expression(part, depth));
                self.bound.truncate(self.bound.len() - 2);
                checked
            }
            Expr::Struct(_) => Err(error(place, "there are no types of messages: expected a map such as `{'a': 1}`")),
            Expr::Unspecified => Err(error(place, "expected a value")),
        }
    }

    fn variable(&self, name: &str, place: usize) -> Result<(), ExpressionError> {
        let plain = name.strip_prefix('.').unwrap_or(name);
        let is_bound = self.bound.iter().any(|bound| bound == name);
        if is_bound || self.names.known.contains(&plain) || TYPES.contains(&plain) {
            return Ok(());
        }
        let known = listed(self.names.known);
        if self.names.later.contains(&plain) {
            return Err(error(place, format!("`{plain}` is not in this version: expected {known}")));
        }
        let bound = self.bound.iter().map(String::as_str).filter(|bound| !bound.starts_with('@'));
        Err(error(
            place,
            match nearest(plain, bound.chain(self.names.known.iter().copied())) {
                Some(meant) => format!("unknown variable `{plain}`: did you mean `{meant}`?"),
                None => format!("unknown variable `{plain}`: expected {known}"),
            },
        ))
    }

    fn call(&mut self, call: &CallExpr, place: usize, depth: usize) -> Result<(), ExpressionError> {
        if let Some(target) = &call.target {
            self.expression(target, depth)?;
        }
        if !is_operator(&call.func_name) {
            self.function(call, self.name_before(&call.func_name, place))?;
        }
        call.args.iter().try_for_each(|argument| self.expression(argument, depth))
    }

    fn function(&self, call: &CallExpr, place: usize) -> Result<(), ExpressionError> {
        let name = call.func_name.as_str();
        let spelled = name.strip_prefix('.').unwrap_or(name);
        if let Some((_, form)) = MACROS.iter().find(|(known, _)| *known == spelled) {
            return Err(error(place, format!("`{spelled}` is written otherwise: expected {form}")));
        }
        let Some((_, plain, on_value)) = FUNCTIONS.iter().find(|(known, ..)| *known == spelled) else {
            let known = FUNCTIONS.iter().map(|(known, ..)| *known).chain(MACROS.iter().map(|(known, _)| *known));
            return Err(error(
                place,
                match nearest(spelled, known) {
                    Some(meant) => format!("unknown function `{spelled}`: did you mean `{meant}`?"),
                    None => format!("unknown function `{spelled}`"),
                },
            ));
        };
        let counts = if call.target.is_some() { on_value } else { plain };
        if counts.contains(&call.args.len()) {
            return Ok(());
        }
        let forms = plain.iter().map(|count| format!("`{spelled}({})`", arguments(*count)));
        let forms: Vec<String> =
            forms.chain(on_value.iter().map(|count| format!("`x.{spelled}({})`", arguments(*count)))).collect();
        Err(error(place, format!("`{spelled}` is written otherwise: expected {}", forms.join(" or "))))
    }

    /// Where the name of a call is: it stands before the parenthesis, which the parser names.
    fn name_before(&self, name: &str, parenthesis: usize) -> usize {
        self.text[..parenthesis].trim_end().strip_suffix(name).map_or(parenthesis, str::len)
    }
}

fn arguments(count: usize) -> &'static str {
    match count {
        0 => "",
        1 => "a",
        _ => "a, b",
    }
}

/// Whether a call is written as an operator: no function has such a name.
fn is_operator(name: &str) -> bool {
    !name.trim_start_matches('.').starts_with(|c: char| c.is_ascii_alphabetic())
        && name.contains(['_', '@', '!', '-'])
        && !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => "no variable".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
