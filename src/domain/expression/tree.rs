//! An expression whose names are resolved.

use std::cmp::Ordering;

use super::functions::Function;

/// A piece of an expression. Its depth is bounded by whoever makes it.
#[derive(Debug)]
pub(super) enum Node {
    Literal(Literal),
    /// A variable that the caller gives, by its place among the names.
    Root {
        index: usize,
        name: Box<str>,
    },
    /// The variable of a loop around, counted from the outermost.
    Local {
        index: usize,
        name: Box<str>,
    },
    /// `a.b`
    Select {
        operand: Box<Self>,
        member: Box<str>,
    },
    /// `has(a.b)`
    Has {
        operand: Box<Self>,
        member: Box<str>,
    },
    /// `a[b]`
    Index {
        operand: Box<Self>,
        index: Box<Self>,
    },
    List(Vec<Self>),
    Map(Vec<(Self, Self)>),
    Not(Box<Self>),
    Negate(Box<Self>),
    /// `a && b`, `a || b`
    Logic {
        connective: Connective,
        sides: Box<[Self; 2]>,
    },
    /// `a ? b : c`
    Conditional(Box<[Self; 3]>),
    Binary {
        operator: Operator,
        sides: Box<[Self; 2]>,
    },
    /// A call; where it is on a value, that is the first argument.
    Call {
        function: Function,
        arguments: Vec<Self>,
    },
    /// `matches`, with a pattern that is known before.
    Matches {
        text: Box<Self>,
        pattern: Pattern,
    },
    Loop(Box<Loop>),
}

#[derive(Debug)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Box<str>),
    Bytes(Box<[u8]>),
    /// The name of a type.
    Type(&'static str),
}

impl Literal {
    /// How a message shows what can be an index.
    fn spelled(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(format!("'{text}'")),
            Self::Int(int) => Some(int.to_string()),
            Self::Uint(uint) => Some(uint.to_string()),
            Self::Null | Self::Bool(_) | Self::Double(_) | Self::Bytes(_) | Self::Type(_) => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connective {
    And,
    Or,
}

impl Connective {
    /// The side that decides, whatever the other one is.
    pub(super) const fn decisive(self) -> bool {
        matches!(self, Self::Or)
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::And => "&&",
            Self::Or => "||",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Arithmetic(Arithmetic),
    Order(Order),
    Equal,
    NotEqual,
    In,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

impl Arithmetic {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// Whether two values that compare like this are in this order.
    pub(super) const fn holds(self, found: Ordering) -> bool {
        match self {
            Self::Less => found.is_lt(),
            Self::LessOrEqual => found.is_le(),
            Self::Greater => found.is_gt(),
            Self::GreaterOrEqual => found.is_ge(),
        }
    }
}

/// A regular expression, and how many steps a byte of text takes at most.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) regex: regex::Regex,
    pub(super) weight: usize,
}

/// `map`, `filter` and their kin.
#[derive(Debug)]
pub(super) struct Loop {
    pub(super) over: Node,
    pub(super) kind: LoopKind,
    pub(super) body: Node,
}

#[derive(Debug)]
pub(super) enum LoopKind {
    All,
    Exists,
    ExistsOne,
    Filter,
    /// With the condition that an element has to meet first.
    Map(Option<Node>),
}

impl LoopKind {
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Exists => "exists",
            Self::ExistsOne => "exists_one",
            Self::Filter => "filter",
            Self::Map(_) => "map",
        }
    }
}

impl Node {
    /// The pieces that it is made of, in the order of the text.
    fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Literal(_) | Self::Root { .. } | Self::Local { .. } => Vec::new(),
            Self::Select { operand, .. } | Self::Has { operand, .. } => vec![operand],
            Self::Not(operand) | Self::Negate(operand) => vec![operand],
            Self::Matches { text, .. } => vec![text],
            Self::Index { operand, index } => vec![operand, index],
            Self::List(elements) | Self::Call { arguments: elements, .. } => elements.iter().collect(),
            Self::Map(entries) => entries.iter().flat_map(|(name, value)| [name, value]).collect(),
            Self::Logic { sides, .. } | Self::Binary { sides, .. } => sides.iter().collect(),
            Self::Conditional(parts) => parts.iter().collect(),
            Self::Loop(parts) => {
                let condition = match &parts.kind {
                    LoopKind::Map(condition) => condition.as_ref(),
                    LoopKind::All | LoopKind::Exists | LoopKind::ExistsOne | LoopKind::Filter => None,
                };
                [&parts.over].into_iter().chain(condition).chain([&parts.body]).collect()
            }
        }
    }

    /// The paths of members that are read below a variable of the caller, each
    /// once, in the order of the text.
    pub(super) fn reads(&self, variable: &str) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        self.collect_reads(variable, &mut found);
        found
    }

    fn collect_reads(&self, variable: &str, found: &mut Vec<Vec<String>>) {
        match self.path() {
            Some((root, path)) if root == variable => {
                let path: Vec<String> = path.into_iter().map(str::to_owned).collect();
                if !found.contains(&path) {
                    found.push(path);
                }
            }
            Some(_) => {}
            None => self.parts().into_iter().for_each(|part| part.collect_reads(variable, found)),
        }
    }

    /// The variable and the names of members, if that is all there is to it.
    fn path(&self) -> Option<(&str, Vec<&str>)> {
        let mut members = Vec::new();
        let mut node = self;
        loop {
            node = match node {
                Self::Root { name, .. } => {
                    members.reverse();
                    return Some((name, members));
                }
                Self::Select { operand, member } | Self::Has { operand, member } => {
                    members.push(member);
                    operand
                }
                Self::Index { operand, index } => {
                    members.push(index.as_text()?);
                    operand
                }
                Self::Literal(_)
                | Self::Local { .. }
                | Self::List(_)
                | Self::Map(_)
                | Self::Not(_)
                | Self::Negate(_)
                | Self::Logic { .. }
                | Self::Conditional(_)
                | Self::Binary { .. }
                | Self::Call { .. }
                | Self::Matches { .. }
                | Self::Loop(_) => return None,
            }
        }
    }

    /// The text of a literal.
    pub(super) fn as_text(&self) -> Option<&str> {
        if let Self::Literal(Literal::Text(text)) = self { Some(text) } else { None }
    }

    /// How a message calls it: the path as it is written, or as much as is known.
    pub(super) fn spelled(&self) -> String {
        match self {
            Self::Root { name, .. } | Self::Local { name, .. } => name.to_string(),
            Self::Select { operand, member } | Self::Has { operand, member } => {
                format!("{}.{member}", operand.spelled())
            }
            Self::Index { operand, index } => {
                let index = if let Self::Literal(literal) = index.as_ref() { literal.spelled() } else { None };
                format!("{}[{}]", operand.spelled(), index.as_deref().unwrap_or("…"))
            }
            Self::Literal(_)
            | Self::List(_)
            | Self::Map(_)
            | Self::Not(_)
            | Self::Negate(_)
            | Self::Logic { .. }
            | Self::Conditional(_)
            | Self::Binary { .. }
            | Self::Call { .. }
            | Self::Matches { .. }
            | Self::Loop(_) => "(…)".to_owned(),
        }
    }
}
