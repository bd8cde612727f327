//! Equality by value, and the bytes that stand for it.

use serde_json::{Number, Value};

const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;

/// A number by its value, in the one form that each value has.
#[derive(PartialEq)]
enum Exact {
    /// Any integer from -2^63 to 2^64-1, however it was written.
    Integer(i128),
    /// Any other double.
    Double(f64),
}

fn exact(number: &Number) -> Exact {
    if let Some(integer) = number.as_i128() {
        return Exact::Integer(integer);
    }
    let double = number.as_f64().unwrap_or(0.0);
    if double.fract() == 0.0 && (-TWO_TO_63..TWO_TO_64).contains(&double) {
        // Exact: the value is whole and an i128 has room for it.
        Exact::Integer(double as i128)
    } else {
        Exact::Double(double)
    }
}

/// Whether two values are equal as RFC 6902, 4.6 has it: numbers by value
/// (1 = 1.0 = 1e0, without rounding), objects regardless of order.
#[must_use]
pub fn equal(one: &Value, other: &Value) -> bool {
    let mut rest = vec![(one, other)];
    while let Some(pair) = rest.pop() {
        match pair {
            (Value::Number(one), Value::Number(other)) => {
                if exact(one) != exact(other) {
                    return false;
                }
            }
            (Value::Array(one), Value::Array(other)) => {
                if one.len() != other.len() {
                    return false;
                }
                rest.extend(one.iter().zip(other));
            }
            (Value::Object(one), Value::Object(other)) => {
                if one.len() != other.len() {
                    return false;
                }
                for (name, value) in one {
                    let Some(counterpart) = other.get(name) else {
                        return false;
                    };
                    rest.push((value, counterpart));
                }
            }
            // What is left are scalars, or two values of different kinds.
            (one, other) => {
                if one != other {
                    return false;
                }
            }
        }
    }
    true
}

/// The bytes that stand for a value in digests: the same for two values exactly
/// if they are [`equal`].
///
/// They are JSON, with sorted members, without white space.
#[must_use]
pub fn canonical(value: &Value) -> Vec<u8> {
    enum Piece<'v> {
        Value(&'v Value),
        Name(&'v str),
        Mark(u8),
    }

    let mut written = Vec::new();
    let mut rest = vec![Piece::Value(value)];
    while let Some(piece) = rest.pop() {
        match piece {
            Piece::Mark(mark) => written.push(mark),
            Piece::Name(name) => {
                write_scalar(&mut written, name);
                written.push(b':');
            }
            Piece::Value(Value::Number(number)) => match exact(number) {
                Exact::Integer(integer) => write_scalar(&mut written, &integer),
                Exact::Double(double) => write_scalar(&mut written, &double),
            },
            Piece::Value(Value::Array(items)) => {
                written.push(b'[');
                rest.push(Piece::Mark(b']'));
                for (index, item) in items.iter().enumerate().rev() {
                    rest.push(Piece::Value(item));
                    if index > 0 {
                        rest.push(Piece::Mark(b','));
                    }
                }
            }
            Piece::Value(Value::Object(members)) => {
                written.push(b'{');
                rest.push(Piece::Mark(b'}'));
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_unstable_by_key(|(name, _)| *name);
                for (index, (name, value)) in sorted.into_iter().enumerate().rev() {
                    rest.push(Piece::Value(value));
                    rest.push(Piece::Name(name));
                    if index > 0 {
                        rest.push(Piece::Mark(b','));
                    }
                }
            }
            Piece::Value(scalar) => write_scalar(&mut written, scalar),
        }
    }
    written
}

fn write_scalar<T: serde::Serialize + ?Sized>(written: &mut Vec<u8>, scalar: &T) {
    serde_json::to_writer(written, scalar).expect("a vector takes anything, and scalars can be written");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::strategies::{any_number, any_value};
    use super::*;

    #[test]
    fn numbers_are_compared_by_value_without_rounding() {
        for (one, other, want) in [
            (json!(1), json!(1.0), true),
            (json!(0), json!(-0.0), true),
            (json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992.0), false),
            (json!(9_007_199_254_740_992_u64), json!(9_007_199_254_740_992.0), true),
            (json!(u64::MAX), json!(TWO_TO_64), false),
            (json!(1_u64 << 63), json!(TWO_TO_63), true),
            (json!(i64::MIN), json!(-TWO_TO_63), true),
            (json!(i64::MAX), json!(TWO_TO_63), false),
            (json!(-1), json!(u64::MAX), false),
            (json!(1e300), json!(1e300), true),
            (json!(0.1), json!(0.1), true),
            (json!(1), json!(1.5), false),
        ] {
            assert_eq!(equal(&one, &other), want, "{one} {other}");
            assert_eq!(equal(&other, &one), want, "{other} {one}");
            assert_eq!(canonical(&one) == canonical(&other), want, "{one} {other}");
        }
    }

    #[test]
    fn kinds_lengths_and_order_in_arrays_matter_and_order_of_members_does_not() {
        for (one, other, want) in [
            (r#"{"a":1,"b":[2]}"#, r#"{"b":[2.0],"a":1e0}"#, true),
            ("[1,2]", "[2,1]", false),
            ("[1]", "[1,1]", false),
            (r#"{"a":1}"#, r#"{"a":1,"b":1}"#, false),
            (r#"{"a":null}"#, r#"{"b":null}"#, false),
            ("[]", "{}", false),
            ("null", "false", false),
            ("1", "\"1\"", false),
            ("\"a\"", "\"A\"", false),
        ] {
            let [one, other] = [one, other].map(|text| serde_json::from_str(text).expect(text));
            assert_eq!(equal(&one, &other), want, "{one} {other}");
        }
    }

    #[test]
    fn the_canonical_form_is_json_with_sorted_members() {
        let value = json!({"b": [1.0, -0.0, 1e300, 0.5, {}, []], "a": {"y": null, "x": "\n\"é"}, "": true});
        let want = r#"{"":true,"a":{"x":"\n\"é","y":null},"b":[1,0,1e+300,0.5,{},[]]}"#;
        assert_eq!(String::from_utf8(canonical(&value)).expect("JSON is UTF-8"), want);
    }

    /// The same value with other spellings: members turned around, integers as
    /// doubles where a double holds them.
    fn respell(value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                members.iter().rev().map(|(name, value)| (name.clone(), respell(value))).collect()
            }
            Value::Array(items) => items.iter().map(respell).collect(),
            Value::Number(number) => match number.as_i64() {
                Some(small) if small.unsigned_abs() < 1 << 53 => json!(small as f64),
                Some(_) | None => value.clone(),
            },
            Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
        }
    }

    proptest! {
        #[test]
        fn a_value_equals_itself_however_it_is_spelt(value in any_value()) {
            prop_assert!(equal(&value, &respell(&value)));
            prop_assert_eq!(canonical(&value), canonical(&respell(&value)));
            let read = serde_json::from_slice(&canonical(&value)).expect("the canonical form is JSON");
            prop_assert!(equal(&value, &read));
        }

        #[test]
        fn the_canonical_forms_are_equal_exactly_if_the_values_are(one in any_value(), other in any_value()) {
            prop_assert_eq!(canonical(&one) == canonical(&other), equal(&one, &other));
            prop_assert_eq!(equal(&one, &other), equal(&other, &one));
        }

        #[test]
        fn so_are_those_of_numbers(one in any_number(), other in any_number()) {
            prop_assert_eq!(canonical(&one) == canonical(&other), equal(&one, &other));
        }
    }
}
