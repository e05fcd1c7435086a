//! What a file puts on a Mac, a page at a time.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use tokio::sync::Semaphore;
use utoipa::IntoParams;
use xylem_api::error::ErrorCode;
use xylem_api::index::{DEFAULT_INDEX_PAGE, IndexEntry, IndexPage, IndexSummary, MAX_INDEX_PAGE};
use xylem_db::{LiveFile, Version};
use xylem_http::ApiError;
use xylem_model::{
    CheckedIndex, FileKind, IndexError, SearchText, fold_name, is_invisible, missing_index,
};

use super::comparison::no_version;
use crate::app::App;
use crate::extract::{ApiPath, ApiQuery};
use crate::failure::Failure;

/// Bytes of paths after which a page ends early, so that the longest paths make no answer of 40 MB.
const PAGE_BYTES: usize = 4 << 20;

/// Pages that are looked for at a time: each may go through 64 MiB of paths.
static READERS: Semaphore = Semaphore::const_new(2);

/// What is said where an inspection says nothing of an index.
const NOT_MADE: &str =
    "none was made as it came in; they are made of flat packages and disk images";

/// Which page of which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Entries with this text in their path. Case makes no difference; at most 255 bytes.
    #[param(value_type = Option<String>)]
    search: Option<SearchText>,
    /// Entries after this path; from the first where left out.
    after: Option<String>,
    /// How many at most: 1 to 10,000; 1,000 where left out. Long paths end a page earlier.
    limit: Option<u64>,
    /// Of this version; where left out, of the one in production, or of the one that waits to be
    /// promoted where none is yet.
    version: Option<u64>,
}

/// What a version of a file puts on a Mac: a page of the files, folders and links in it. Where there is
/// no index of it the answer is 404, with the reason.
#[utoipa::path(
    get, path = "/v1/files/{kind}/{name}/index", tag = "files",
    params(("kind" = String, Path, description = "Its kind."),
        ("name" = String, Path, description = "Its name."), Which),
    responses((status = 200, description = "A page of it.", body = IndexPage))
)]
pub(super) async fn file_index(
    State(app): State<App>,
    ApiPath(file): ApiPath<(FileKind, String)>,
    ApiQuery(which): ApiQuery<Which>,
) -> Result<Json<IndexPage>, Failure> {
    let limit = which.limit.unwrap_or(DEFAULT_INDEX_PAGE);
    if !(1..=MAX_INDEX_PAGE).contains(&limit) {
        let message = format!("a page has 1 to {MAX_INDEX_PAGE} entries, not {limit}");
        return Err(Failure::new(ErrorCode::BadRequest, message));
    }
    let LiveFile { file, version } = app.live_file(&file).await?;
    let version = match which.version {
        Some(number) => match app.database.version(file.id, number).await? {
            Some(version) => version,
            None => return Err(no_version(&file.name, number)),
        },
        None => version,
    };
    let Some(index) = app.database.index(version.content).await? else {
        let why = missing_index(&version.inspection).unwrap_or(NOT_MADE);
        let message =
            format!("there is no index of version {} of `{}`: {why}", version.number, file.name);
        return Err(ApiError::not_found(message).into());
    };
    let entries = u64::from(index.entries());
    let internal = |error| ApiError::internal("reading an index", error);
    // Up to seconds of work: not where requests are answered, and not on all processors at once.
    let turn =
        READERS.acquire().await.map_err(|error| ApiError::internal("reading an index", error))?;
    let reading = tokio::task::spawn_blocking(move || page(index, &which, limit));
    let read = reading.await.map_err(internal)?;
    drop(turn);
    let (items, next) = read.map_err(|error| ApiError::internal("reading an index", error))?;
    Ok(Json(IndexPage { version: u64::from(version.number), entries, items, next }))
}

/// A page of an index, and where the next one begins.
fn page(
    index: CheckedIndex,
    which: &Which,
    limit: u64,
) -> Result<(Vec<IndexEntry>, Option<String>), IndexError> {
    let (mut items, mut bytes) = (Vec::<IndexEntry>::new(), 0_usize);
    for entry in index.unpack() {
        let entry = entry?;
        let is_behind = which.after.as_ref().is_none_or(|after| entry.path > *after);
        let is_meant =
            is_behind && which.search.as_ref().is_none_or(|text| has(&entry.path, text.as_str()));
        if !is_meant {
            continue;
        }
        let is_full = items.len() as u64 >= limit || bytes >= PAGE_BYTES;
        if is_full {
            let next = items.last().map(|last| last.path.clone());
            return Ok((items, next));
        }
        bytes += entry.path.len();
        items.push(IndexEntry { path: entry.path, kind: entry.kind });
    }
    Ok((items, None))
}

/// Whether a path has a text in it, which is folded.
fn has(path: &str, folded: &str) -> bool {
    if path.is_ascii() {
        // The same, for most paths, without a table.
        return path.to_ascii_lowercase().contains(folded);
    }
    // What is searched for has no such characters.
    let visible: String = path.chars().filter(|c| !is_invisible(*c)).collect();
    fold_name(&visible).contains(folded)
}

impl App {
    /// How many entries the index of a version has, or why there is none. Of apps and books nobody
    /// asks for one.
    pub(super) async fn index_summary(
        &self,
        kind: FileKind,
        version: &Version,
    ) -> Result<Option<IndexSummary>, Failure> {
        if let Some(entries) = self.database.index_entries(version.content).await? {
            return Ok(Some(IndexSummary::Entries { entries: u64::from(entries) }));
        }
        let not_made = (kind == FileKind::Package).then_some(NOT_MADE);
        let missing = missing_index(&version.inspection).or(not_made);
        Ok(missing.map(|missing| IndexSummary::Missing { missing: missing.to_owned() }))
    }
}

#[cfg(test)]
mod tests {
    use xylem_model::{IndexedKind, IndexedPath, PackedIndex};

    use super::*;

    fn index(paths: &[&str]) -> CheckedIndex {
        let entry = |path: &&str| IndexedPath { kind: IndexedKind::File, path: (*path).to_owned() };
        PackedIndex::pack(paths.iter().map(entry)).unwrap().check().unwrap()
    }

    fn paths(of: &CheckedIndex, which: &Which, limit: u64) -> (Vec<String>, Option<String>) {
        let (items, next) = page(of.clone(), which, limit).unwrap();
        (items.into_iter().map(|entry| entry.path).collect(), next)
    }

    fn which(search: Option<&str>, after: Option<&str>) -> Which {
        let search = search.map(|text| SearchText::new(text).unwrap());
        Which { search, after: after.map(str::to_owned), limit: None, version: None }
    }

    #[test]
    fn a_page_ends_where_the_next_begins() {
        let all = index(&["/a", "/b", "/c", "/d"]);
        let next = |path: &str| Some(path.to_owned());
        assert_eq!(paths(&all, &which(None, None), 3).1, next("/c"));
        assert_eq!(paths(&all, &which(None, Some("/c")), 3), (vec!["/d".to_owned()], None));
        assert_eq!(paths(&all, &which(None, None), 4).1, None, "nothing is behind it");
        assert_eq!(paths(&all, &which(None, Some("/bb")), 1).0, ["/c"], "it need not be there");
        assert_eq!(paths(&all, &which(None, Some("/d")), 1), (vec![], None));
    }

    #[test]
    fn a_search_minds_neither_case_nor_unicode_form() {
        let (app, coffee, street, joined) = (
            "/Applications/A.app",
            "/Library/Cafe\u{301}",
            "/Library/STRASSE",
            "/Library/a\u{200d}b",
        );
        let all = index(&[app, coffee, street, joined]);
        for (text, found) in [
            ("a.APP", app),
            ("stra\u{df}e", street),
            ("CAF\u{c9}", coffee),
            ("A\u{200d}B", joined),
            ("ab", joined),
        ] {
            assert_eq!(paths(&all, &which(Some(text), None), 9).0, [found], "{text}");
        }
        let (first, next) = paths(&all, &which(Some("library"), None), 1);
        assert_eq!((first.len(), next.is_some()), (1, true));
        let (rest, last) = paths(&all, &which(Some("library"), next.as_deref()), 2);
        assert_eq!((rest.len(), last), (2, None));
    }

    #[test]
    fn long_paths_end_a_page_early() {
        let long = "x".repeat(4_000);
        let all: Vec<String> = (0..1_200).map(|n| format!("/{n:04}{long}")).collect();
        let all = index(&all.iter().map(String::as_str).collect::<Vec<_>>());
        let (first, next) = paths(&all, &which(None, None), MAX_INDEX_PAGE);
        assert!((1_000..1_200).contains(&first.len()), "{}", first.len());
        let (rest, end) = paths(&all, &which(None, next.as_deref()), MAX_INDEX_PAGE);
        assert_eq!((first.len() + rest.len(), end), (1_200, None));
    }
}
