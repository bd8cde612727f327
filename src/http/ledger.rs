//! What became of the ticks of an activity.

use warp::reply::Response;

use super::dispatch::Call;
use super::problem::Problem;
use super::resources::list;
use super::timing::Step;
use crate::api::links;
use crate::domain::id::{ActivityName, ResourceKey};

/// `/v1/{collection}/{id}/{activity}/ticks`
pub(super) async fn ticks(call: &Call<'_>, key: &ResourceKey, activity: &ActivityName) -> Result<Response, Problem> {
    let page = call.query.page()?;
    let view = call.timed(Step::Load, call.http.api.ticks(key, activity, &page)).await?;
    list(call, &links::ticks(call.http.api.catalog(), key, activity), view)
}
