//! A parsed text becomes a tree in which every name stands for something, or an
//! error that says which does not.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, operators};

use super::ExpressionError;
use super::functions::{self, Callee};
use super::parse::{Parsed, error, parse};
use super::tree::{Arithmetic, Connective, Literal, Loop, LoopKind, Node, Operator, Order, Pattern};
use crate::domain::near::nearest;

/// How deep a tree is at most: whatever walks it recurses that deeply. Chains
/// count too: the hundredth `+` stands above ninety-nine others.
pub(super) const DEPTH_MAX: usize = 128;

/// The sizes of a compiled pattern in bytes that are tried in turn, and how many
/// steps a byte of text takes for each. Matching is linear in both: the worst
/// patterns of 256 KiB take some microseconds for a byte.
const PATTERNS: [(usize, usize); 4] = [(16 << 10, 1), (64 << 10, 4), (256 << 10, 16), (1 << 20, 64)];

/// The names of types, which `type(x)` can be compared with.
const TYPES: [&str; 10] = ["bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"];

/// The names that an expression can start from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'n> {
    /// Those that have a value.
    pub(super) known: &'n [&'n str],
    /// Those that this version does not have.
    pub(super) later: &'n [&'n str],
}

/// Reads an expression and resolves its names.
pub(super) fn compile(text: &str, names: Names<'_>) -> Result<Node, ExpressionError> {
    let parsed = parse(text)?;
    let mut compiler = Compiler { text, parsed: &parsed, names, bound: Vec::new(), depth: 0 };
    compiler.node(&parsed.root)
}

struct Compiler<'c> {
    text: &'c str,
    parsed: &'c Parsed,
    names: Names<'c>,
    /// The variables of the loops around, outermost first.
    bound: Vec<&'c str>,
    depth: usize,
}

impl<'c> Compiler<'c> {
    fn node(&mut self, from: &'c IdedExpr) -> Result<Node, ExpressionError> {
        if self.depth >= DEPTH_MAX {
            let message = format!("nested too deeply: at most {DEPTH_MAX} operators and members in each other");
            return Err(error(self.parsed.place(from.id), message));
        }
        self.depth += 1;
        let made = self.kind(from);
        self.depth -= 1;
        made
    }

    fn boxed(&mut self, from: &'c IdedExpr) -> Result<Box<Node>, ExpressionError> {
        self.node(from).map(Box::new)
    }

    fn nodes(&mut self, from: &'c [IdedExpr]) -> Result<Vec<Node>, ExpressionError> {
        from.iter().map(|part| self.node(part)).collect()
    }

    fn kind(&mut self, from: &'c IdedExpr) -> Result<Node, ExpressionError> {
        let place = self.parsed.place(from.id);
        match &from.expr {
            Expr::Literal(value) => Ok(Node::Literal(literal(value))),
            Expr::Ident(name) => self.variable(name, place),
            Expr::Select(select) => {
                Ok(Node::Select { operand: self.boxed(&select.operand)?, member: select.field.as_str().into() })
            }
            Expr::Call(call) => self.call(call, place),
            Expr::List(list) => Ok(Node::List(self.nodes(&list.elements)?)),
            Expr::Map(map) => {
                let entries = map.entries.iter().map(|entry| self.entry(&entry.expr, place));
                Ok(Node::Map(entries.collect::<Result<_, _>>()?))
            }
            Expr::Struct(message) => {
                let wrong = "there are no types of messages: expected a map such as `{'a': 1}`";
                Err(error(self.name_before(&message.type_name, place), wrong))
            }
            Expr::Comprehension(_) | Expr::Unspecified => Err(error(place, "expected a value")),
        }
    }

    fn entry(&mut self, entry: &'c EntryExpr, place: usize) -> Result<(Node, Node), ExpressionError> {
        match entry {
            EntryExpr::MapEntry(entry) => Ok((self.node(&entry.key)?, self.node(&entry.value)?)),
            EntryExpr::StructField(_) => Err(error(place, "expected a map such as `{'a': 1}`")),
        }
    }

    fn variable(&self, name: &str, place: usize) -> Result<Node, ExpressionError> {
        if let Some(index) = self.bound.iter().rposition(|bound| *bound == name) {
            return Ok(Node::Local { index, name: name.into() });
        }
        // A dot before a name passes by the variables of loops.
        let (name, bound) = match name.strip_prefix('.') {
            Some(name) => (name, &[][..]),
            None => (name, self.bound.as_slice()),
        };
        if let Some(index) = self.names.known.iter().position(|known| *known == name) {
            return Ok(Node::Root { index, name: name.into() });
        }
        if let Some(name) = TYPES.into_iter().find(|known| *known == name) {
            return Ok(Node::Literal(Literal::Type(name)));
        }
        Err(error(place, unknown_variable(name, self.names, bound)))
    }

    fn call(&mut self, call: &'c CallExpr, place: usize) -> Result<Node, ExpressionError> {
        match (call.target.as_deref(), call.args.as_slice()) {
            (None, [one]) => match call.func_name.as_str() {
                operators::LOGICAL_NOT => return Ok(Node::Not(self.boxed(one)?)),
                operators::NEGATE => return Ok(Node::Negate(self.boxed(one)?)),
                _ => {}
            },
            (None, [one, other]) => {
                if let Some(node) = self.binary(&call.func_name, one, other)? {
                    return Ok(node);
                }
            }
            (None, [condition, one, other]) if call.func_name == operators::CONDITIONAL => {
                let parts = [self.node(condition)?, self.node(one)?, self.node(other)?];
                return Ok(Node::Conditional(Box::new(parts)));
            }
            _ => {}
        }
        self.named_call(call, self.name_before(&call.func_name, place))
    }

    fn binary(&mut self, name: &str, one: &'c IdedExpr, other: &'c IdedExpr) -> Result<Option<Node>, ExpressionError> {
        if name == operators::INDEX {
            return Ok(Some(Node::Index { operand: self.boxed(one)?, index: self.boxed(other)? }));
        }
        if let Some(connective) = connective(name) {
            let sides = Box::new([self.node(one)?, self.node(other)?]);
            return Ok(Some(Node::Logic { connective, sides }));
        }
        let Some(operator) = operator(name) else { return Ok(None) };
        let sides = Box::new([self.node(one)?, self.node(other)?]);
        Ok(Some(Node::Binary { operator, sides }))
    }

    fn named_call(&mut self, call: &'c CallExpr, place: usize) -> Result<Node, ExpressionError> {
        let name = call.func_name.strip_prefix('.').unwrap_or(&call.func_name);
        let target = call.target.as_deref();
        match functions::callee(name, target.is_some(), call.args.len(), place)? {
            Callee::Function(function) => {
                let arguments = target.into_iter().chain(&call.args);
                let arguments = arguments.map(|argument| self.node(argument)).collect::<Result<_, _>>()?;
                Ok(Node::Call { function, arguments })
            }
            Callee::Has => match call.args.first().map(|argument| &argument.expr) {
                Some(Expr::Select(select)) => {
                    Ok(Node::Has { operand: self.boxed(&select.operand)?, member: select.field.as_str().into() })
                }
                _ => Err(functions::expected(name, place)),
            },
            Callee::Matches => {
                let mut parts = target.into_iter().chain(&call.args);
                let (Some(text), Some(pattern)) = (parts.next(), parts.next()) else {
                    return Err(functions::expected(name, place));
                };
                Ok(Node::Matches { text: self.boxed(text)?, pattern: self.pattern(pattern)? })
            }
            Callee::Loop(kind) => {
                let Some(target) = target else { return Err(functions::expected(name, place)) };
                self.loop_over(name, target, &call.args, kind(), place)
            }
        }
    }

    fn loop_over(
        &mut self,
        name: &str,
        over: &'c IdedExpr,
        arguments: &'c [IdedExpr],
        kind: LoopKind,
        place: usize,
    ) -> Result<Node, ExpressionError> {
        let over = self.node(over)?;
        let [variable, first, rest @ ..] = arguments else { return Err(functions::expected(name, place)) };
        let Expr::Ident(variable_name) = &variable.expr else {
            let message = format!("expected the name of a variable, as in `list.{name}(x, …)`");
            return Err(error(self.parsed.place(variable.id), message));
        };
        self.bound.push(variable_name);
        let first = self.node(first);
        let rest = rest.first().map(|body| self.node(body)).transpose();
        self.bound.pop();
        let (first, rest) = (first?, rest?);
        let (kind, body) = match rest {
            Some(body) => (LoopKind::Map(Some(first)), body),
            None => (kind, first),
        };
        Ok(Node::Loop(Box::new(Loop { over, kind, body })))
    }

    fn pattern(&self, from: &IdedExpr) -> Result<Pattern, ExpressionError> {
        let place = self.parsed.place(from.id);
        let Expr::Literal(LiteralValue::String(text)) = &from.expr else {
            return Err(error(place, "a pattern is read once, with the file: expected a text in quotes"));
        };
        let mut refused = None;
        for (size, weight) in PATTERNS {
            match regex::RegexBuilder::new(text.inner()).size_limit(size).nest_limit(32).build() {
                Ok(regex) => return Ok(Pattern { regex, weight }),
                Err(why) => refused = Some(why),
            }
        }
        let why = match refused {
            Some(regex::Error::CompiledTooBig(_)) => "it repeats or lists too much".to_owned(),
            Some(why) => why.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
            None => String::new(),
        };
        Err(error(place, format!("this is no pattern: {why}")))
    }

    /// Where the name of a call is: it stands before the parenthesis, which is
    /// what the parser names.
    fn name_before(&self, name: &str, parenthesis: usize) -> usize {
        self.text[..parenthesis].trim_end().strip_suffix(name).map_or(parenthesis, str::len)
    }
}

fn literal(value: &LiteralValue) -> Literal {
    match value {
        LiteralValue::Null => Literal::Null,
        LiteralValue::Boolean(value) => Literal::Bool(*value.inner()),
        LiteralValue::Int(value) => Literal::Int(*value.inner()),
        LiteralValue::UInt(value) => Literal::Uint(*value.inner()),
        LiteralValue::Double(value) => Literal::Double(*value.inner()),
        LiteralValue::String(value) => Literal::Text(value.inner().into()),
        LiteralValue::Bytes(value) => Literal::Bytes(value.inner().into()),
    }
}

fn connective(name: &str) -> Option<Connective> {
    match name {
        operators::LOGICAL_AND => Some(Connective::And),
        operators::LOGICAL_OR => Some(Connective::Or),
        _ => None,
    }
}

fn operator(name: &str) -> Option<Operator> {
    Some(match name {
        operators::ADD => Operator::Arithmetic(Arithmetic::Add),
        operators::SUBSTRACT => Operator::Arithmetic(Arithmetic::Subtract),
        operators::MULTIPLY => Operator::Arithmetic(Arithmetic::Multiply),
        operators::DIVIDE => Operator::Arithmetic(Arithmetic::Divide),
        operators::MODULO => Operator::Arithmetic(Arithmetic::Modulo),
        operators::EQUALS => Operator::Equal,
        operators::NOT_EQUALS => Operator::NotEqual,
        operators::LESS => Operator::Order(Order::Less),
        operators::LESS_EQUALS => Operator::Order(Order::LessOrEqual),
        operators::GREATER => Operator::Order(Order::Greater),
        operators::GREATER_EQUALS => Operator::Order(Order::GreaterOrEqual),
        operators::IN => Operator::In,
        _ => return None,
    })
}

/// The message for a name that stands for nothing.
pub(super) fn unknown_variable(name: &str, names: Names<'_>, bound: &[&str]) -> String {
    if names.later.contains(&name) {
        return format!("`{name}` is not in this version: expected {}", listed(names.known));
    }
    match nearest(name, bound.iter().chain(names.known).copied()) {
        Some(meant) => format!("unknown variable `{name}`: did you mean `{meant}`?"),
        None => format!("unknown variable `{name}`: expected {}", listed(names.known)),
    }
}

fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => "no variable".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
