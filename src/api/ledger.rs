//! What became of the ticks of an activity.

use bytes::Bytes;

use super::resources::absent;
use super::{Api, ApiError, ListView, PageRequest};
use crate::domain::id::{ActivityName, ResourceKey};
use crate::domain::time::Timestamp;
use crate::domain::version::ETag;
use crate::state::{TickRow, ledger_version, show_tick};

impl Api {
    /// What became of the ticks of an activity, the newest first.
    ///
    /// # Errors
    /// `NotFound`, `BadCursor`, `Store`.
    pub async fn ticks(
        &self,
        key: &ResourceKey,
        activity: &ActivityName,
        page: &PageRequest,
    ) -> Result<ListView, ApiError> {
        self.activity(key, activity)?;
        let stored = self.state.resource(key).await?.ok_or_else(|| absent(key))?;
        let before = page.cursor.as_deref().map(read_cursor).transpose()?;
        let uid = stored.desired.uid;
        let (rows, more) = self.state.ticks(uid, activity, before, page.limit).await?;
        // Rows are forgotten without a change of the resource: the tag is also that of the rows.
        let etag = ETag { changed: ledger_version(uid, activity, &rows), revision: stored.etag.revision };
        let next = rows.last().filter(|_| more).map(|(at, _)| write_cursor(*at));
        Ok(ListView { items: rows.iter().map(encode).collect(), next, etag: Some(etag), revision: None })
    }
}

fn encode((at, outcome): &TickRow) -> Bytes {
    serde_json::to_vec(&show_tick(*at, outcome)).expect("what we show can be written").into()
}

/// A cursor is the instant before it, in hex.
fn write_cursor(at: Timestamp) -> String {
    at.as_millis().to_be_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_cursor(cursor: &str) -> Result<Timestamp, ApiError> {
    let bits = u64::from_str_radix(cursor, 16).map_err(|_| ApiError::BadCursor)?;
    let at = Timestamp::from_millis(i64::from_be_bytes(bits.to_be_bytes()));
    // One spelling, and of an instant that there is.
    Some(at).filter(|at| write_cursor(*at) == cursor).ok_or(ApiError::BadCursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_the_instant_that_it_was_made_of_and_nothing_else_is_one() {
        for millis in [0, 1, -1, 1_795_255_200_007] {
            let at = Timestamp::from_millis(millis);
            assert_eq!(read_cursor(&write_cursor(at)).expect("a cursor"), at);
        }
        let foreign =
            ["", "0", "+000000000000000", "000001a1fd9f7A00", "7fffffffffffffff", "zz", "00000000000000000", "é0"];
        for foreign in foreign {
            assert!(matches!(read_cursor(foreign), Err(ApiError::BadCursor)), "{foreign}");
        }
    }
}
