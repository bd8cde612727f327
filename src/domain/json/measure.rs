//! How deep and how long a value is.

use std::io;

use serde_json::Value;

/// How deeply a value is nested: 0 for a scalar, 1 for `{}` and `[1]`, 2 for
/// `{"a": {}}`.
#[must_use]
pub fn depth(value: &Value) -> usize {
    let mut deepest = 0;
    let mut rest = vec![(value, 0)];
    while let Some((value, above)) = rest.pop() {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            Value::Array(items) => {
                deepest = deepest.max(above + 1);
                rest.extend(items.iter().filter(|item| is_container(item)).map(|item| (item, above + 1)));
            }
            Value::Object(members) => {
                deepest = deepest.max(above + 1);
                rest.extend(members.values().filter(|item| is_container(item)).map(|item| (item, above + 1)));
            }
        }
    }
    deepest
}

const fn is_container(value: &Value) -> bool {
    matches!(value, Value::Array(_) | Value::Object(_))
}

/// What a value is, as a phrase for a message: `a number`, `an object`.
#[must_use]
pub const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The whole number that a value is, however it is spelled: `3`, `3.0`, `3e0`.
///
/// `None` for anything else, and for what an unsigned 32-bit number cannot hold.
#[must_use]
pub fn whole_number(value: &Value) -> Option<u64> {
    let spelled_out =
        value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(number));
    value.as_u64().or_else(|| spelled_out.map(|number| number as u64))
}

/// How many bytes a value takes when it is written without white space.
#[must_use]
pub fn encoded_len(value: &Value) -> usize {
    let mut total = 0;
    let mut rest = vec![value];
    while let Some(value) = rest.pop() {
        total += match value {
            Value::Null | Value::Bool(true) => 4,
            Value::Bool(false) => 5,
            Value::Number(number) => written_len(number),
            Value::String(text) => string_len(text),
            Value::Array(items) => {
                rest.extend(items);
                2 + items.len().saturating_sub(1)
            }
            Value::Object(members) => {
                rest.extend(members.values());
                let names: usize = members.keys().map(|name| string_len(name) + 1).sum();
                2 + members.len().saturating_sub(1) + names
            }
        };
    }
    total
}

/// How many bytes a string takes with its quotes and escapes.
#[must_use]
pub fn string_len(text: &str) -> usize {
    written_len(text)
}

fn written_len<T: serde::Serialize + ?Sized>(scalar: &T) -> usize {
    struct Count(usize);

    impl io::Write for Count {
        fn write(&mut self, written: &[u8]) -> io::Result<usize> {
            self.0 += written.len();
            Ok(written.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut count = Count(0);
    serde_json::to_writer(&mut count, scalar).expect("a count takes anything, and scalars can be written");
    count.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::strategies::any_value;
    use super::*;

    #[test]
    fn a_scalar_has_no_depth_and_each_container_adds_one() {
        for (value, want) in
            [(json!(1), 0), (json!({}), 1), (json!([]), 1), (json!({"a": {}}), 2), (json!([1, [2, [3]], {"a": 1}]), 3)]
        {
            assert_eq!(depth(&value), want, "{value}");
        }
    }

    #[test]
    fn a_value_deeper_than_any_stack_is_measured() {
        // Such a value cannot be read, and dropping it would recurse: it is
        // taken apart level by level.
        let levels = 10_000;
        let mut value = json!(1);
        for _ in 0..levels {
            value = Value::Array(vec![value]);
        }
        assert_eq!(depth(&value), levels);
        assert_eq!(encoded_len(&value), 2 * levels + 1);
        assert!(super::super::equal(&value, &value));
        assert_eq!(super::super::canonical(&value).len(), 2 * levels + 1);
        while let Value::Array(mut items) = value {
            value = items.pop().expect("each level holds one item");
        }
    }

    proptest! {
        #[test]
        fn the_length_is_that_of_what_is_written(value in any_value()) {
            prop_assert_eq!(encoded_len(&value), serde_json::to_vec(&value).expect("a value can be written").len());
        }
    }
}
