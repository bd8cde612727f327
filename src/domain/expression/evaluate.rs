//! Walks a tree, and counts what that costs.

use super::EvaluationError;
use super::budget::Budget;
use super::calls;
use super::operators::{arithmetic, negative, unfit};
use super::tree::{Connective, Literal, Loop, LoopKind, Node, Operator, Order, Pattern};
use super::value::{ELEMENT_BYTES, List, Members, Text, Val, failed};

/// The value of a tree, given those of the names it can start from.
pub(super) fn evaluate(tree: &Node, roots: &[Option<Val<'_>>]) -> Result<serde_json::Value, EvaluationError> {
    let mut walk = Walk { roots, locals: Vec::new(), budget: Budget::new() };
    let value = walk.value(tree)?;
    value.to_json(&walk.budget)
}

/// What names stand for while a tree is walked.
struct Walk<'w, 'v> {
    roots: &'w [Option<Val<'v>>],
    /// The elements that the loops around are at, outermost first.
    locals: Vec<Val<'v>>,
    budget: Budget,
}

type Outcome<'v> = Result<Val<'v>, EvaluationError>;

impl<'v> Walk<'_, 'v> {
    fn value(&mut self, node: &'v Node) -> Outcome<'v> {
        self.budget.work(1)?;
        match node {
            Node::Literal(literal) => Ok(self.literal(literal)),
            Node::Root { index, name } => {
                let value = self.roots.get(*index).and_then(Option::as_ref);
                value.cloned().ok_or_else(|| failed(format!("`{name}` has no value here")))
            }
            Node::Local { index, name } => {
                let value = self.locals.get(*index);
                value.cloned().ok_or_else(|| failed(format!("`{name}` has no value here")))
            }
            Node::Select { operand, member } => {
                let found = self.member(operand, member)?;
                found.ok_or_else(|| EvaluationError::Missing { name: node.spelled() })
            }
            Node::Has { operand, member } => Ok(Val::Bool(self.member(operand, member)?.is_some())),
            Node::Index { operand, index } => self.index(node, operand, index),
            Node::List(elements) => {
                self.budget.make(elements.len() * ELEMENT_BYTES)?;
                let made: Result<_, _> = elements.iter().map(|element| self.value(element)).collect();
                Ok(Val::List(List::Made(made?)))
            }
            Node::Map(entries) => self.map(entries),
            Node::Not(operand) => Ok(Val::Bool(!self.truth(operand, "!")?)),
            Node::Negate(operand) => negative(&self.value(operand)?),
            Node::Logic { connective, sides } => self.logic(*connective, sides),
            Node::Conditional(parts) => {
                let [condition, one, other] = parts.as_ref();
                let chosen = if self.truth(condition, "?")? { one } else { other };
                self.value(chosen)
            }
            Node::Binary { operator, sides } => self.binary(*operator, sides),
            Node::Call { function, arguments } => {
                let values: Vec<_> = arguments.iter().map(|argument| self.value(argument)).collect::<Result<_, _>>()?;
                calls::call(*function, &values, &self.budget)
            }
            Node::Matches { text, pattern } => self.matches(text, pattern),
            Node::Loop(parts) => self.run(parts),
        }
    }

    fn literal(&self, literal: &'v Literal) -> Val<'v> {
        match literal {
            Literal::Null => Val::Null,
            Literal::Bool(value) => Val::Bool(*value),
            Literal::Int(int) => Val::Int(*int),
            Literal::Uint(uint) => Val::Uint(*uint),
            Literal::Double(double) => Val::Double(*double),
            Literal::Text(text) => Val::Text(Text::Lent(text)),
            Literal::Bytes(bytes) => Val::Bytes(bytes.as_ref().into()),
            Literal::Type(name) => Val::Type(name),
        }
    }

    /// A condition: nothing but a boolean is one.
    fn truth(&mut self, node: &'v Node, asker: &str) -> Result<bool, EvaluationError> {
        let value = self.value(node)?;
        let Val::Bool(value) = value else {
            return Err(failed(format!("`{asker}` takes a boolean: found {}", value.kind())));
        };
        Ok(value)
    }

    /// A member of what must have members.
    fn member(&mut self, operand: &'v Node, member: &str) -> Result<Option<Val<'v>>, EvaluationError> {
        let value = self.value(operand)?;
        let Val::Map(members) = &value else {
            let (operand, kind) = (operand.spelled(), value.kind());
            return Err(failed(format!("`{operand}` is {kind}: it has no member `{member}`")));
        };
        self.budget.work(members.lookup_cost())?;
        Ok(members.member(member))
    }

    fn index(&mut self, node: &Node, operand: &'v Node, index: &'v Node) -> Outcome<'v> {
        let value = self.value(operand)?;
        let index = self.value(index)?;
        if let Val::Map(members) = &value {
            if !index.is_key() {
                return Err(failed(format!("{} is no key of a map: expected a string", index.kind())));
            }
            self.budget.work(members.lookup_cost())?;
            return members.get(&index).ok_or_else(|| EvaluationError::Missing { name: node.spelled() });
        }
        let Val::List(items) = &value else {
            return Err(failed(format!("`{}` is {}: it has no elements", operand.spelled(), value.kind())));
        };
        let Some(at) = whole(&index) else {
            return Err(failed(format!("the elements of a list are counted: found {}", index.kind())));
        };
        let found = usize::try_from(at).ok().and_then(|at| items.get(at));
        found.ok_or_else(|| failed(format!("`{}` is not there: the list has {}", node.spelled(), items.len())))
    }

    fn map(&mut self, entries: &'v [(Node, Node)]) -> Outcome<'v> {
        self.budget.make(2 * entries.len() * ELEMENT_BYTES)?;
        let mut made: Vec<(Val<'v>, Val<'v>)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let key = self.value(key)?;
            if !matches!(key, Val::Text(_) | Val::Int(_) | Val::Uint(_) | Val::Bool(_)) {
                return Err(failed(format!("{} is no key of a map: expected a string", key.kind())));
            }
            for (other, _) in &made {
                if key.equals(other, &self.budget)? {
                    return Err(failed("a map has the same key twice"));
                }
            }
            made.push((key, self.value(value)?));
        }
        Ok(Val::Map(Members::Made(made.into())))
    }

    /// One side can decide alone, also where the other one fails.
    fn logic(&mut self, connective: Connective, sides: &'v [Node; 2]) -> Outcome<'v> {
        let [one, other] = sides;
        let one = self.truth(one, connective.as_str());
        if one == Ok(connective.decisive()) {
            return one.map(Val::Bool);
        }
        let other = self.truth(other, connective.as_str());
        if other == Ok(connective.decisive()) {
            return other.map(Val::Bool);
        }
        one.and(other).map(Val::Bool)
    }

    fn binary(&mut self, operator: Operator, sides: &'v [Node; 2]) -> Outcome<'v> {
        let [one, other] = sides;
        let (one, other) = (self.value(one)?, self.value(other)?);
        match operator {
            Operator::Equal => one.equals(&other, &self.budget).map(Val::Bool),
            Operator::NotEqual => one.equals(&other, &self.budget).map(|equal| Val::Bool(!equal)),
            Operator::Order(order) => self.ordered(order, &one, &other),
            Operator::In => self.contains(&one, &other),
            Operator::Arithmetic(operator) => arithmetic(operator, &one, &other, &self.budget),
        }
    }

    fn ordered(&self, order: Order, one: &Val<'v>, other: &Val<'v>) -> Outcome<'v> {
        self.budget.read(length(one).min(length(other)))?;
        match one.compare(other) {
            Some(found) => Ok(Val::Bool(order.holds(found))),
            // A NaN is neither before nor after anything.
            None if one.is_ordered_with(other) => Ok(Val::Bool(false)),
            None => Err(unfit(order.as_str(), one, other)),
        }
    }

    fn contains(&self, value: &Val<'v>, within: &Val<'v>) -> Outcome<'v> {
        if let Val::Map(members) = within {
            if !value.is_key() {
                return Err(failed(format!("`in` looks for a key of a map: found {}", value.kind())));
            }
            self.budget.work(members.lookup_cost())?;
            return Ok(Val::Bool(members.get(value).is_some()));
        }
        let Val::List(items) = within else {
            return Err(failed(format!("`in` looks into a list or a map: found {}", within.kind())));
        };
        for index in 0..items.len() {
            let Some(item) = items.get(index) else { break };
            if value.equals(&item, &self.budget)? {
                return Ok(Val::Bool(true));
            }
        }
        Ok(Val::Bool(false))
    }

    fn matches(&mut self, text: &'v Node, pattern: &Pattern) -> Outcome<'v> {
        let value = self.value(text)?;
        let Val::Text(text) = &value else {
            return Err(failed(format!("`matches` takes a string: found {}", value.kind())));
        };
        self.budget.work(text.as_str().len().saturating_mul(pattern.weight))?;
        Ok(Val::Bool(pattern.regex.is_match(text.as_str())))
    }

    fn run(&mut self, parts: &'v Loop) -> Outcome<'v> {
        let over = self.value(&parts.over)?;
        let items = if let Val::Map(members) = &over {
            self.budget.make(members.len() * ELEMENT_BYTES)?;
            members.keys()
        } else if let Val::List(items) = over {
            items
        } else {
            let name = parts.kind.as_str();
            return Err(failed(format!("`{name}` goes over a list or a map: found {}", over.kind())));
        };
        match &parts.kind {
            LoopKind::All => self.quantify(Connective::And, &items, &parts.body),
            LoopKind::Exists => self.quantify(Connective::Or, &items, &parts.body),
            LoopKind::ExistsOne => self.count(&items, &parts.body).map(|count| Val::Bool(count == 1)),
            LoopKind::Filter => self.filter(&items, &parts.body),
            LoopKind::Map(condition) => self.transform(&items, condition.as_ref(), &parts.body),
        }
    }

    /// Does something with each element, which is the innermost variable meanwhile.
    fn each(
        &mut self,
        items: &List<'v>,
        mut visit: impl FnMut(&mut Self, Val<'v>) -> Result<Visit, EvaluationError>,
    ) -> Result<(), EvaluationError> {
        for index in 0..items.len() {
            self.budget.work(1)?;
            let Some(item) = items.get(index) else { break };
            self.locals.push(item.clone());
            let visited = visit(self, item);
            self.locals.pop();
            if visited? == Visit::Last {
                break;
            }
        }
        Ok(())
    }

    /// Like `&&` or `||` over all elements: one of them can decide, also where
    /// another one fails.
    fn quantify(&mut self, connective: Connective, items: &List<'v>, body: &'v Node) -> Outcome<'v> {
        let mut outcome = Ok(!connective.decisive());
        self.each(items, |walk, _| {
            let one = walk.truth(body, connective.as_str());
            if one == Ok(connective.decisive()) {
                outcome = one;
                return Ok(Visit::Last);
            }
            if outcome.is_ok() {
                outcome = one;
            }
            Ok(Visit::Next)
        })?;
        outcome.map(Val::Bool)
    }

    fn count(&mut self, items: &List<'v>, body: &'v Node) -> Result<usize, EvaluationError> {
        let mut count = 0;
        self.each(items, |walk, _| {
            count += usize::from(walk.truth(body, "exists_one")?);
            Ok(Visit::Next)
        })?;
        Ok(count)
    }

    fn filter(&mut self, items: &List<'v>, body: &'v Node) -> Outcome<'v> {
        let mut made = Vec::new();
        self.each(items, |walk, item| {
            if walk.truth(body, "filter")? {
                walk.budget.make(ELEMENT_BYTES)?;
                made.push(item);
            }
            Ok(Visit::Next)
        })?;
        Ok(Val::List(List::Made(made.into())))
    }

    fn transform(&mut self, items: &List<'v>, condition: Option<&'v Node>, body: &'v Node) -> Outcome<'v> {
        let mut made = Vec::new();
        self.each(items, |walk, _| {
            if condition.map_or(Ok(true), |condition| walk.truth(condition, "map"))? {
                walk.budget.make(ELEMENT_BYTES)?;
                made.push(walk.value(body)?);
            }
            Ok(Visit::Next)
        })?;
        Ok(Val::List(List::Made(made.into())))
    }
}

/// Whether a loop goes on.
#[derive(PartialEq, Eq)]
enum Visit {
    Next,
    Last,
}

/// The whole number that an index is.
fn whole(index: &Val<'_>) -> Option<i128> {
    if let Val::Int(int) = index {
        Some(i128::from(*int))
    } else if let Val::Uint(uint) = index {
        Some(i128::from(*uint))
    } else if let Val::Double(double) = index {
        Some(*double as i128).filter(|_| double.fract() == 0.0)
    } else {
        None
    }
}

fn length(value: &Val<'_>) -> usize {
    if let Val::Text(text) = value { text.as_str().len() } else { 0 }
}
