//! Functions that a program registered, whatever their types are.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::error::NativeError;
use super::job::NativeJob;
use crate::domain::id::OperationName;
use crate::domain::job::RESULT_BYTES_MAX;
use crate::domain::json;

/// How deep a result may be nested: deeper, the record of its job could be
/// written but not be read again.
const RESULT_DEPTH_MAX: usize = 64;

/// What a function gave that did its work.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Gift {
    /// Nothing.
    None,
    /// This.
    Value(Value),
    /// Something that cannot be kept, and why.
    Refused(String),
}

type Work = Pin<Box<dyn Future<Output = Result<Gift, NativeError>> + Send>>;

/// A function that does the work of an operation.
#[derive(Clone)]
pub struct Function(Arc<dyn Fn(NativeJob) -> Work + Send + Sync>);

impl Function {
    /// A function of this program.
    pub fn new<F, Fut, T, E>(function: F) -> Self
    where
        F: Fn(NativeJob) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Serialize,
        E: Into<NativeError>,
    {
        Self(Arc::new(move |job| {
            let work = function(job);
            Box::pin(async move { work.await.map(|given| gift(&given)).map_err(Into::into) })
        }))
    }

    /// What does the work of a job. The function itself is called by whoever
    /// polls this first, so that its panic is theirs.
    pub(super) async fn work(self, job: NativeJob) -> Result<Gift, NativeError> {
        (self.0)(job).await
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Function(…)")
    }
}

/// The functions of a program, by the operations whose work they do.
pub type Functions = BTreeMap<OperationName, Function>;

/// What is kept of a value that a function gave.
fn gift(given: &impl Serialize) -> Gift {
    let value = match serde_json::to_value(given) {
        Ok(Value::Null) => return Gift::None,
        Ok(value) => value,
        Err(error) => return Gift::Refused(format!("its result cannot be written as JSON and was dropped: {error}")),
    };
    if json::depth(&value) > RESULT_DEPTH_MAX {
        return Gift::Refused(format!("its result is nested deeper than {RESULT_DEPTH_MAX} and was dropped"));
    }
    if json::encoded_len(&value) > RESULT_BYTES_MAX {
        return Gift::Refused(format!(
            "its result is larger than {} KiB and was dropped; write it to a file and name that",
            RESULT_BYTES_MAX / 1024
        ));
    }
    Gift::Value(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cannot_be_kept_is_refused_and_nothing_is_no_result() {
        let deep = (0..=RESULT_DEPTH_MAX).fold(json!(0), |inner, _| json!([inner]));
        let words = BTreeMap::from([(vec![1], 2)]);
        assert_eq!(gift(&()), Gift::None);
        assert_eq!(gift(&json!({ "a": 1 })), Gift::Value(json!({ "a": 1 })));
        assert_eq!(gift(&"x".repeat(RESULT_BYTES_MAX - 2)), Gift::Value(json!("x".repeat(RESULT_BYTES_MAX - 2))));
        for refused in [gift(&"x".repeat(RESULT_BYTES_MAX - 1)), gift(&deep), gift(&words)] {
            assert!(matches!(refused, Gift::Refused(_)), "{refused:?}");
        }
    }
}
