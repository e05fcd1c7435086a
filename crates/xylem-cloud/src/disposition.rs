//! The display name of an object, which never reaches its key.

use xylem_model::FileName;

use crate::encode;

/// `Content-Disposition` for a display name (RFC 6266): ASCII for old readers, and the whole name
/// in the extended form (RFC 8187). It is ASCII, has no quote within and no control character.
pub fn disposition(name: &FileName) -> String {
    let plain: String = name
        .as_str()
        .chars()
        // `%` is decoded by some readers (RFC 6266, appendix D).
        .map(|c| if matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | '%') { c } else { '_' })
        .collect();
    let whole = encode::parameter(name.as_str());
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{whole}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dispositions_keep_odd_names() {
        let name = FileName::new("a b+é&50%#'.pkg").unwrap();
        assert_eq!(
            disposition(&name),
            "attachment; filename=\"a b+_&50_#'.pkg\"; \
             filename*=UTF-8''a%20b+%C3%A9&50%25#%27.pkg"
        );
    }
}
