//! Equality and order: numbers by value, whatever their types.

use std::cmp::Ordering;

use super::EvaluationError;
use super::budget::Budget;
use super::value::{Val, failed};
use crate::domain::json::NESTING_MAX;

/// How deeply values are compared: a result may hold a document in a list in a
/// list, but not without end.
const COMPARED_MAX: usize = 2 * NESTING_MAX;

impl Val<'_> {
    /// Whether two values are equal.
    pub(super) fn equals(&self, other: &Self, budget: &Budget) -> Result<bool, EvaluationError> {
        self.equals_at(other, 0, budget)
    }

    fn equals_at(&self, other: &Self, depth: usize, budget: &Budget) -> Result<bool, EvaluationError> {
        budget.work(1)?;
        if depth > COMPARED_MAX {
            return Err(failed(format!("values nested more than {COMPARED_MAX} levels deep cannot be compared")));
        }
        match (self, other) {
            (Self::List(one), Self::List(other)) => {
                if one.len() != other.len() {
                    return Ok(false);
                }
                for index in 0..one.len() {
                    let (Some(one), Some(other)) = (one.get(index), other.get(index)) else { return Ok(false) };
                    if !one.equals_at(&other, depth + 1, budget)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Self::Map(one), Self::Map(other)) => {
                if one.len() != other.len() {
                    return Ok(false);
                }
                let keys = one.keys();
                for index in 0..keys.len() {
                    let Some(key) = keys.get(index) else { return Ok(false) };
                    budget.work(other.lookup_cost())?;
                    let (Some(one), Some(other)) = (one.get(&key), other.get(&key)) else { return Ok(false) };
                    if !one.equals_at(&other, depth + 1, budget)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Self::Text(one), Self::Text(_)) => {
                budget.read(one.as_str().len())?;
                Ok(self.equals_scalar(other))
            }
            (one, other) => Ok(one.equals_scalar(other)),
        }
    }

    /// Equality of what is no list and no map.
    pub(super) fn equals_scalar(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Type(one), Self::Type(other)) => one == other,
            (one, other) => one.compare(other) == Some(Ordering::Equal),
        }
    }

    /// The order of two values, where they have one; a NaN has none.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(one), Self::Bool(other)) => Some(one.cmp(other)),
            (Self::Text(one), Self::Text(other)) => Some(one.as_str().cmp(other.as_str())),
            (Self::Bytes(one), Self::Bytes(other)) => Some(one.cmp(other)),
            (Self::Instant(one), Self::Instant(other)) => Some(one.cmp(other)),
            (Self::Length(one), Self::Length(other)) => Some(one.cmp(other)),
            (Self::Double(one), Self::Double(other)) => one.partial_cmp(other),
            (Self::Double(one), other) => compare_whole(other.whole()?, *one).map(Ordering::reverse),
            (one, Self::Double(other)) => compare_whole(one.whole()?, *other),
            (one, other) => Some(one.whole()?.cmp(&other.whole()?)),
        }
    }

    /// Whether it can be in an order with another.
    pub(super) const fn is_ordered_with(&self, other: &Self) -> bool {
        matches!(
            (self, other),
            (Self::Bool(_), Self::Bool(_))
                | (Self::Text(_), Self::Text(_))
                | (Self::Bytes(_), Self::Bytes(_))
                | (Self::Instant(_), Self::Instant(_))
                | (Self::Length(_), Self::Length(_))
                | (Self::Int(_) | Self::Uint(_) | Self::Double(_), Self::Int(_) | Self::Uint(_) | Self::Double(_))
        )
    }

    fn whole(&self) -> Option<i128> {
        if let Self::Int(int) = self {
            Some(i128::from(*int))
        } else if let Self::Uint(uint) = self {
            Some(i128::from(*uint))
        } else {
            None
        }
    }
}

/// The order of a whole number of 64 bits and a double, without rounding.
fn compare_whole(whole: i128, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    // Beyond what an i128 can hold, the conversion stops at its ends: farther
    // out than any whole number here.
    let floor = double.floor();
    Some(whole.cmp(&(floor as i128)).then(if double > floor { Ordering::Less } else { Ordering::Equal }))
}
