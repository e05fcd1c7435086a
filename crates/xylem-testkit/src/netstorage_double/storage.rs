//! NetStorage: each action, after who asks was seen.

use std::io;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Request, Response, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use xylem_client::RequestBody;

use super::action::{Action, Kind};
use super::give::whole;
use super::listing::{dir, du, list, stat};
use super::refusal::{Refusal, decoded, plain, refused};
use super::signature;
use super::tree::Node;
use super::upload::Failed;
use super::{Answer, NetStorageFault, State, locked};

/// What has to be said to remove a folder with all that is in it.
const SURE: &str = "imreallyreallysure";

/// Bytes of a body that are read all the same where they are refused: whoever sends them hears the
/// answer then, and no line that breaks.
const MAX_DRAINED_BYTES: usize = 8 << 20;

/// Answers a request to NetStorage; an error cuts the connection.
pub(super) async fn serve(
    state: Arc<State>,
    request: Request<Incoming>,
) -> io::Result<Response<RequestBody>> {
    let (head, mut body) = request.into_parts();
    match state.answer(&head, &mut body).await {
        Err(Failed::Cut(error)) => Err(error),
        Err(Failed::Refused(refusal)) => {
            drain(&mut body).await;
            Ok(state.dated(Err(refusal)))
        }
        Ok(response) => Ok(state.dated(Ok(response))),
    }
}

impl State {
    async fn answer(
        &self,
        head: &Parts,
        body: &mut Incoming,
    ) -> Result<Response<RequestBody>, Failed> {
        if self.fault() == NetStorageFault::Busy {
            return Err(refused(503, "the service is busy").into());
        }
        let signed = {
            let mut seen = locked(&self.seen);
            signature::check(head.uri.path(), &head.headers, self.now(), &mut seen)?
        };
        let path = decoded(head.uri.path())?;
        if head.uri.query().is_some() {
            return Err(refused(400, "there is a query").into());
        }
        locked(&self.tree).check_owner(&path)?;
        let action = Action::parse(&signed, &head.method)?;
        let word = signed.split('&').find_map(|pair| pair.strip_prefix("action="));
        self.note(word.unwrap_or_default(), &path);
        match action.kind {
            Kind::Upload => self.upload(&path, &action, &head.headers, body).await,
            _ => Ok(self.act(&path, &action)?),
        }
    }

    fn act(&self, path: &str, action: &Action) -> Answer {
        let now = self.now().unix_seconds();
        let mut tree = locked(&self.tree);
        match action.kind {
            Kind::Dir => return Ok(xml(dir(&tree, path, action)?)),
            Kind::Du => return Ok(xml(du(&tree, path)?)),
            Kind::List => return Ok(xml(list(&tree, path, action)?)),
            Kind::Stat => return Ok(xml(stat(&tree, path, action)?)),
            Kind::Download => return Ok(whole(tree.file(path)?)),
            Kind::Delete => tree.remove(path, false)?,
            Kind::Rmdir => tree.remove(path, true)?,
            Kind::Mkdir => tree.put(path, Node::Folder, now)?,
            Kind::Mtime => {
                let mtime = action.number("mtime")?;
                tree.set_mtime(path, mtime.ok_or_else(|| refused(400, "the mtime lacks"))?)?;
            }
            Kind::QuickDelete => {
                if action.needed("quick-delete")? != SURE {
                    return Err(refused(400, "nobody is sure"));
                }
                tree.remove_all(path)?;
                return Ok(plain(204, ""));
            }
            Kind::Rename => {
                let to = whole_path(action.needed("destination")?)?;
                tree.check_owner(&to)?;
                tree.rename(path, &to)?;
            }
            Kind::Symlink => {
                let target = whole_path(action.needed("target")?)?;
                tree.check_owner(&target)?;
                tree.put(path, Node::Link(target), now)?;
            }
            Kind::Upload => return Err(refused(500, "an upload is answered elsewhere")),
        }
        Ok(plain(200, "200 OK"))
    }
}

async fn drain(body: &mut Incoming) {
    let mut drained = 0;
    while let Some(Ok(frame)) = body.frame().await {
        drained += frame.data_ref().map_or(0, |bytes| bytes.len());
        if drained > MAX_DRAINED_BYTES {
            return;
        }
    }
}

/// A path that a field names: as it is, not encoded once more.
fn whole_path(text: &str) -> Result<String, Refusal> {
    let encoded = text.replace('%', "%25");
    decoded(&encoded)
}

fn xml(text: String) -> Response<RequestBody> {
    let mut response = plain(200, format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}"));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}
