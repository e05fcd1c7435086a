//! What a listing tells of objects.

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};

use super::json_answer;
use super::objects::{Container, Object, md5_of};

/// A page, in the order of names. Of a large object the digest is that of its manifest, and its own
/// one is told by newer versions alone.
pub(super) fn page(
    container: &Container,
    prefix: &str,
    marker: &str,
    limit: usize,
) -> Response<Full<Bytes>> {
    let named = container.objects.iter();
    let is_known = |name: &String| !container.unlisted.contains(name);
    let listed = named.filter(|(name, _)| name.starts_with(prefix) && name.as_str() > marker);
    let listed = listed.filter(|(name, _)| is_known(name)).take(limit);
    let entries: Vec<Value> =
        listed.map(|(name, it)| entry(name, it, container.tells_large)).collect();
    json_answer(200, &Value::Array(entries))
}

fn entry(name: &str, object: &Object, tells_large: bool) -> Value {
    // It is UTC without saying so.
    let written = object.written.to_string();
    let mut entry = json!({
        "name": name,
        "bytes": object.size(),
        "hash": md5_of(&object.bytes),
        "content_type": "application/octet-stream",
        "last_modified": written.trim_end_matches('Z'),
    });
    if tells_large && object.manifest.is_some() {
        entry["slo_etag"] = json!(format!("\"{}\"", object.etag));
    }
    entry
}
