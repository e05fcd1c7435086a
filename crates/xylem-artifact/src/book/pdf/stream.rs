//! Streams of a PDF document: only those that hold its tables are expanded.

use flate2::{Decompress, FlushDecompress, Status};

use super::value::Value;

/// Most bytes that one stream may expand to: a table of more than a million objects.
const MAX_EXPANDED_BYTES: usize = 16 << 20;
/// Bytes expanded at once.
const STEP_BYTES: usize = 64 << 10;

/// Expands a stream with this dictionary; `None` when it is damaged, too long or of another kind.
pub(super) fn expand(dictionary: &Value, bytes: &[u8]) -> Option<Vec<u8>> {
    let filter = match dictionary.get("Filter") {
        None => return Some(bytes.to_vec()),
        Some(Value::List(filters)) => match filters.as_slice() {
            [] => return Some(bytes.to_vec()),
            [only] => only,
            _ => return None,
        },
        Some(only) => only,
    };
    if !filter.is_name("FlateDecode") {
        return None;
    }
    let parameters = match dictionary.get("DecodeParms") {
        Some(Value::List(list)) => list.first(),
        other => other,
    };
    let expanded = inflate(bytes)?;
    match parameters.and_then(|parameters| parameters.integer("Predictor")) {
        None | Some(1) => Some(expanded),
        Some(10..=15) => {
            let columns = parameters?.integer("Columns").unwrap_or(1);
            unpredict(&expanded, usize::try_from(columns).ok()?)
        }
        Some(_) => None,
    }
}

fn inflate(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut state = Decompress::new(true);
    let (mut expanded, mut step) = (Vec::new(), vec![0; STEP_BYTES]);
    loop {
        let (taken, given) = (state.total_in(), state.total_out());
        let rest = bytes.get(usize::try_from(taken).ok()?..)?;
        let status = state.decompress(rest, &mut step, FlushDecompress::None).ok()?;
        let length = usize::try_from(state.total_out() - given).ok()?;
        expanded.extend_from_slice(step.get(..length)?);
        if expanded.len() > MAX_EXPANDED_BYTES {
            return None;
        }
        if status == Status::StreamEnd {
            return Some(expanded);
        }
        if state.total_in() == taken && length == 0 {
            return None;
        }
    }
}

/// Undoes the filters of PNG on rows of single bytes, of which each names its own.
fn unpredict(bytes: &[u8], columns: usize) -> Option<Vec<u8>> {
    if columns == 0 || columns > STEP_BYTES {
        return None;
    }
    let mut rows: Vec<u8> = Vec::with_capacity(bytes.len());
    let mut above = vec![0; columns];
    for row in bytes.chunks_exact(columns + 1) {
        let (filter, row) = row.split_first()?;
        let (mut left, mut corner) = (0_u8, 0_u8);
        for (byte, above) in row.iter().zip(above.iter_mut()) {
            let predicted = match filter {
                0 => 0,
                1 => left,
                2 => *above,
                3 => left.midpoint(*above),
                4 => nearest(left, *above, corner),
                _ => return None,
            };
            corner = *above;
            left = byte.wrapping_add(predicted);
            *above = left;
        }
        rows.extend_from_slice(&above);
    }
    Some(rows)
}

/// PNG's fourth filter: the neighbour that is nearest to left + above - corner.
fn nearest(left: u8, above: u8, corner: u8) -> u8 {
    let estimate = i16::from(left) + i16::from(above) - i16::from(corner);
    let distance = |byte: u8| (estimate - i16::from(byte)).abs();
    if distance(left) <= distance(above) && distance(left) <= distance(corner) {
        left
    } else if distance(above) <= distance(corner) {
        above
    } else {
        corner
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn with(dictionary: &str, bytes: &[u8]) -> Option<Vec<u8>> {
        expand(&Value::read(dictionary.as_bytes()).unwrap().0, bytes)
    }

    #[test]
    fn streams_are_expanded() {
        assert_eq!(with("<<>>", b"plain"), Some(b"plain".to_vec()));
        let flate = "<</Filter/FlateDecode>>";
        assert_eq!(with(flate, &deflated(b"text")), Some(b"text".to_vec()));
        let rows = [[0, 1, 2, 3], [1, 1, 1, 1], [2, 1, 1, 1], [3, 1, 1, 1], [4, 1, 1, 1]].concat();
        let predicted = "<</Filter[/FlateDecode]/DecodeParms[<</Predictor 12/Columns 3>>]>>";
        let expected = [[1, 2, 3], [1, 2, 3], [2, 3, 4], [2, 3, 4], [3, 4, 5]].concat();
        assert_eq!(with(predicted, &deflated(&rows)), Some(expected));
    }

    #[test]
    fn what_expands_too_far_or_is_damaged_is_none() {
        let flate = "<</Filter/FlateDecode>>";
        let sound = deflated(b"some text");
        assert_eq!(with(flate, &deflated(&vec![0; MAX_EXPANDED_BYTES + 1])), None);
        assert_eq!(with(flate, &sound[..sound.len() - 6]), None);
        assert_eq!(with(flate, b"garbage"), None);
        assert_eq!(with("<</Filter/LZWDecode>>", b""), None);
        assert_eq!(with("<</Filter[/FlateDecode/FlateDecode]>>", &sound), None);
        for parameters in ["/Predictor 2", "/Predictor 12/Columns 0", "/Predictor 12/Columns 1"] {
            let dictionary = format!("<</Filter/FlateDecode/DecodeParms<<{parameters}>>>>");
            assert_eq!(with(&dictionary, &deflated(b"\x09a")), None, "{parameters}");
        }
    }
}
