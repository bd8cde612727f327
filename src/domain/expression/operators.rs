//! Arithmetic: whole numbers never wrap around, and no type turns into another.

use std::rc::Rc;

use super::EvaluationError;
use super::budget::Budget;
use super::tree::Arithmetic;
use super::value::{ELEMENT_BYTES, List, Val, failed};
use crate::domain::time::Timestamp;

/// The value of an arithmetic operator.
pub(super) fn arithmetic<'v>(
    operator: Arithmetic,
    one: &Val<'v>,
    other: &Val<'v>,
    budget: &Budget,
) -> Result<Val<'v>, EvaluationError> {
    let overflow = || failed(format!("`{}` leads out of what {} can hold", operator.as_str(), one.kind()));
    match (one, other) {
        (Val::Int(_), Val::Int(0)) | (Val::Uint(_), Val::Uint(0)) if is_division(operator) => {
            Err(failed(format!("`{}` by zero", operator.as_str())))
        }
        (Val::Int(one), Val::Int(other)) => match operator {
            Arithmetic::Add => one.checked_add(*other),
            Arithmetic::Subtract => one.checked_sub(*other),
            Arithmetic::Multiply => one.checked_mul(*other),
            Arithmetic::Divide => one.checked_div(*other),
            Arithmetic::Modulo => one.checked_rem(*other),
        }
        .map(Val::Int)
        .ok_or_else(overflow),
        (Val::Uint(one), Val::Uint(other)) => match operator {
            Arithmetic::Add => one.checked_add(*other),
            Arithmetic::Subtract => one.checked_sub(*other),
            Arithmetic::Multiply => one.checked_mul(*other),
            Arithmetic::Divide => one.checked_div(*other),
            Arithmetic::Modulo => one.checked_rem(*other),
        }
        .map(Val::Uint)
        .ok_or_else(overflow),
        (Val::Double(one_side), Val::Double(other_side)) => match operator {
            Arithmetic::Add => Ok(Val::Double(one_side + other_side)),
            Arithmetic::Subtract => Ok(Val::Double(one_side - other_side)),
            Arithmetic::Multiply => Ok(Val::Double(one_side * other_side)),
            Arithmetic::Divide => Ok(Val::Double(one_side / other_side)),
            Arithmetic::Modulo => Err(unfit(operator.as_str(), one, other)),
        },
        (Val::Instant(_) | Val::Length(_), Val::Instant(_) | Val::Length(_)) => time(operator, one, other),
        _ if operator == Arithmetic::Add => concatenation(one, other, budget),
        _ => Err(unfit(operator.as_str(), one, other)),
    }
}

const fn is_division(operator: Arithmetic) -> bool {
    matches!(operator, Arithmetic::Divide | Arithmetic::Modulo)
}

/// The error for values that an operator does not take.
pub(super) fn unfit(operator: &str, one: &Val<'_>, other: &Val<'_>) -> EvaluationError {
    let numbers = |value: &Val<'_>| matches!(value, Val::Int(_) | Val::Uint(_) | Val::Double(_));
    let hint = if numbers(one) && numbers(other) && one.kind() != other.kind() {
        ": convert one of them, as in `double(x)`"
    } else {
        ""
    };
    failed(format!("`{operator}` does not take {} and {}{hint}", one.kind(), other.kind()))
}

fn time<'v>(operator: Arithmetic, one: &Val<'v>, other: &Val<'v>) -> Result<Val<'v>, EvaluationError> {
    let (millis, is_instant) = match (operator, one, other) {
        (Arithmetic::Add, Val::Instant(at), Val::Length(length))
        | (Arithmetic::Add, Val::Length(length), Val::Instant(at)) => (at.as_millis().checked_add(*length), true),
        (Arithmetic::Subtract, Val::Instant(at), Val::Length(length)) => (at.as_millis().checked_sub(*length), true),
        (Arithmetic::Subtract, Val::Instant(one), Val::Instant(other)) => {
            (one.as_millis().checked_sub(other.as_millis()), false)
        }
        (Arithmetic::Add, Val::Length(one), Val::Length(other)) => (one.checked_add(*other), false),
        (Arithmetic::Subtract, Val::Length(one), Val::Length(other)) => (one.checked_sub(*other), false),
        _ => return Err(unfit(operator.as_str(), one, other)),
    };
    let millis = millis.ok_or_else(|| failed("this duration is too long"))?;
    if is_instant { instant(millis).map(Val::Instant) } else { Ok(Val::Length(millis)) }
}

/// An instant that can be written with a year of four digits.
pub(super) fn instant(millis: i64) -> Result<Timestamp, EvaluationError> {
    let instant = Timestamp::from_millis(millis);
    if instant.as_millis() == millis {
        Ok(instant)
    } else {
        Err(failed("this instant is not between the years 0 and 9999"))
    }
}

fn concatenation<'v>(one: &Val<'v>, other: &Val<'v>, budget: &Budget) -> Result<Val<'v>, EvaluationError> {
    match (one, other) {
        (Val::Text(one), Val::Text(other)) => {
            let (one, other) = (one.as_str(), other.as_str());
            budget.make(one.len() + other.len())?;
            Ok(Val::text([one, other].concat()))
        }
        (Val::Bytes(one), Val::Bytes(other)) => {
            budget.make(one.len() + other.len())?;
            Ok(Val::Bytes([one.as_ref(), other.as_ref()].concat().into()))
        }
        (Val::List(one), Val::List(other)) => {
            let count = one.len() + other.len();
            budget.work(count)?;
            budget.make(count * ELEMENT_BYTES)?;
            let first = (0..one.len()).filter_map(|index| one.get(index));
            let all: Rc<[Val<'v>]> = first.chain((0..other.len()).filter_map(|index| other.get(index))).collect();
            Ok(Val::List(List::Made(all)))
        }
        _ => Err(unfit(Arithmetic::Add.as_str(), one, other)),
    }
}

/// The negative of a number.
pub(super) fn negative<'v>(value: &Val<'v>) -> Result<Val<'v>, EvaluationError> {
    if let Val::Int(int) = value {
        int.checked_neg().map(Val::Int).ok_or_else(|| failed("`-` leads out of what an int can hold"))
    } else if let Val::Double(double) = value {
        Ok(Val::Double(-double))
    } else {
        Err(failed(format!("`-` does not take {}", value.kind())))
    }
}
