//! Where the objects of a PDF document are: its chain of cross-reference tables, newest first.
//!
//! Only what is asked for is looked up; a table of fixed-width lines is never read as a whole.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::stream;
use super::value::{Value, is_blank};

/// Most tables in the chain: one for each time that the document was saved without being written
/// anew.
const MAX_TABLES: usize = 200;
/// Most bytes of all tables that have to be expanded, together.
const MAX_EXPANDED_BYTES: usize = 32 << 20;
/// Most parts of all tables; an update has one for each run of changed objects.
const MAX_PARTS: usize = 20_000;
/// Bytes in which an object, or the head of a stream, has to end.
const WINDOW_BYTES: u64 = 1 << 20;
/// Largest stream that is read, in bytes.
const MAX_STREAM_BYTES: u64 = 16 << 20;
/// Length of a line of a table: ten digits, five digits, a letter, an end of line.
const LINE_BYTES: u64 = 20;

/// A document of which the tables were found.
pub(super) struct Tables<'a> {
    file: &'a File,
    file_bytes: u64,
    /// Where positions count from.
    base: u64,
    parts: Vec<Part>,
    /// Where the document begins and how it is encrypted, from the newest table that says it.
    pub(super) trailer: Value,
}

/// A run of objects.
struct Part {
    first: u64,
    count: u64,
    lines: Lines,
}

enum Lines {
    /// Lines of text at this position in the file.
    Text(u64),
    Packed {
        bytes: Arc<Vec<u8>>,
        start: usize,
        widths: [usize; 3],
    },
}

/// Where an object is.
#[derive(Clone, Copy)]
enum Place {
    At(u64),
    In { container: u64 },
}

impl<'a> Tables<'a> {
    /// Follows the chain that begins at `start`; `None` when it is broken.
    pub(super) fn read(file: &'a File, file_bytes: u64, base: u64, start: u64) -> Option<Self> {
        let empty = Value::Dictionary(Vec::new());
        let mut tables = Self { file, file_bytes, base, parts: Vec::new(), trailer: empty };
        let (mut next, mut seen) = (vec![start], HashSet::new());
        let mut expanded = 0;
        while let Some(position) = next.pop() {
            if !seen.insert(position) {
                continue;
            }
            if seen.len() > MAX_TABLES {
                return None;
            }
            let trailer = tables.table(position, &mut expanded)?;
            next.extend(trailer.integer("Prev"));
            next.extend(trailer.integer("XRefStm"));
            if tables.trailer.get("Root").is_none() {
                tables.trailer = trailer;
            }
        }
        Some(tables)
    }

    fn window(&self, position: u64, length: u64) -> io::Result<Vec<u8>> {
        let position = self.base.saturating_add(position);
        let length = self.file_bytes.saturating_sub(position).min(length);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        self.file.read_exact_at(&mut bytes, position)?;
        Ok(bytes)
    }

    /// Reads one table and gives its trailer.
    fn table(&mut self, position: u64, expanded: &mut usize) -> Option<Value> {
        let head = self.window(position, 64).ok()?;
        let blanks = head.iter().position(|byte| !is_blank(*byte))?;
        if head.get(blanks..)?.starts_with(b"xref") {
            self.text_table(position + blanks as u64 + 4)
        } else {
            self.packed_table(position, expanded)
        }
    }

    fn text_table(&mut self, mut position: u64) -> Option<Value> {
        while self.parts.len() < MAX_PARTS {
            let window = self.window(position, 64).ok()?;
            let mut words = window.split(|byte| is_blank(*byte)).filter(|word| !word.is_empty());
            let first = words.next()?;
            if first.starts_with(b"trailer") {
                let at = window.windows(7).position(|bytes| bytes == b"trailer")? as u64;
                let window = self.window(position + at + 7, WINDOW_BYTES).ok()?;
                return Value::read(&window).map(|(value, _)| value);
            }
            let (first, count) = (number(first)?, number(words.next()?)?);
            let lines = position + lines_start(&window)? as u64;
            self.parts.push(Part { first, count, lines: Lines::Text(lines) });
            position = lines.checked_add(count.checked_mul(LINE_BYTES)?)?;
        }
        None
    }

    fn packed_table(&mut self, position: u64, expanded: &mut usize) -> Option<Value> {
        let (_, dictionary, bytes) = self.stream_at(position)?;
        if !dictionary.get("Type")?.is_name("XRef") {
            return None;
        }
        let bytes = Arc::new(stream::expand(&dictionary, &bytes)?);
        *expanded += bytes.len();
        if *expanded > MAX_EXPANDED_BYTES {
            return None;
        }
        let widths = integers(dictionary.get("W")?)?;
        let widths: [usize; 3] = widths
            .iter()
            .map(|width| usize::try_from(*width).ok().filter(|width| *width <= 8))
            .collect::<Option<Vec<_>>>()?
            .try_into()
            .ok()?;
        let index = match dictionary.get("Index") {
            Some(index) => integers(index)?,
            None => vec![0, dictionary.integer("Size")?],
        };
        let mut start = 0_usize;
        if self.parts.len() + index.len() / 2 > MAX_PARTS {
            return None;
        }
        for pair in index.chunks_exact(2) {
            let [first, count] = pair else { break };
            let lines = Lines::Packed { bytes: Arc::clone(&bytes), start, widths };
            self.parts.push(Part { first: *first, count: *count, lines });
            let length = usize::try_from(*count).ok()?.checked_mul(widths.iter().sum())?;
            start = start.checked_add(length)?;
        }
        Some(dictionary)
    }

    fn place(&self, number: u64) -> Option<Place> {
        for part in &self.parts {
            let Some(line) = number.checked_sub(part.first).filter(|line| *line < part.count)
            else {
                continue;
            };
            match &part.lines {
                Lines::Text(start) => {
                    let line = self.window(start + line * LINE_BYTES, LINE_BYTES).ok()?;
                    // What an older table says of an object that is free here does not count.
                    return match line.get(17)? {
                        b'n' => self::number(line.get(..10)?).map(Place::At),
                        // A second table, of streams, may know more than one for old readers.
                        _ => continue,
                    };
                }
                Lines::Packed { bytes, start, widths } => {
                    let line = usize::try_from(line).ok()?;
                    let at = line.checked_mul(widths.iter().sum())?.checked_add(*start)?;
                    return packed_place(bytes.get(at..)?, *widths);
                }
            }
        }
        None
    }

    /// The object with this number.
    pub(super) fn object(&self, number: u64) -> Option<Value> {
        match self.place(number)? {
            Place::At(position) => {
                let window = self.window(position, WINDOW_BYTES).ok()?;
                let (found, start) = object_start(&window)?;
                (found == number).then_some(())?;
                Value::read(window.get(start..)?).map(|(value, _)| value)
            }
            Place::In { container } => self.object_in(container, number),
        }
    }

    /// An object that is packed into a stream with others.
    fn object_in(&self, container: u64, number: u64) -> Option<Value> {
        let Place::At(position) = self.place(container)? else { return None };
        let (found, dictionary, bytes) = self.stream_at(position)?;
        if found != container || !dictionary.get("Type")?.is_name("ObjStm") {
            return None;
        }
        let bytes = stream::expand(&dictionary, &bytes)?;
        let first = usize::try_from(dictionary.integer("First")?).ok()?;
        let mut words =
            bytes.get(..first)?.split(|byte| is_blank(*byte)).filter(|word| !word.is_empty());
        while let (Some(word), Some(offset)) = (words.next(), words.next()) {
            if self::number(word)? == number {
                let at = first.checked_add(usize::try_from(self::number(offset)?).ok()?)?;
                return Value::read(bytes.get(at..)?).map(|(value, _)| value);
            }
        }
        None
    }

    /// A stream's object number, dictionary and bytes as they stand in the file.
    fn stream_at(&self, position: u64) -> Option<(u64, Value, Vec<u8>)> {
        let window = self.window(position, WINDOW_BYTES).ok()?;
        let (number, start) = object_start(&window)?;
        let (dictionary, length) = Value::read(window.get(start..)?)?;
        let behind = start + length;
        let rest = window.get(behind..)?;
        let blanks = rest.iter().position(|byte| !is_blank(*byte))?;
        let rest = rest.get(blanks..)?.strip_prefix(b"stream")?;
        let line_end = match rest {
            [b'\r', b'\n', ..] => 2,
            [b'\n' | b'\r', ..] => 1,
            _ => return None,
        };
        let length = match dictionary.get("Length")? {
            Value::Integer(length) => *length,
            // A number of its own is never packed into a stream.
            Value::Reference(number) => match self.place(*number)? {
                Place::At(position) => {
                    let window = self.window(position, 64).ok()?;
                    let (_, start) = object_start(&window)?;
                    Value::read(window.get(start..)?)?.0.as_integer()?
                }
                Place::In { .. } => return None,
            },
            _ => return None,
        };
        if length > MAX_STREAM_BYTES {
            return None;
        }
        let data = position + (behind + blanks + b"stream".len() + line_end) as u64;
        let bytes = self.window(data, length).ok()?;
        Some((number, dictionary, bytes))
    }
}

/// Reads `7 0 obj`: the number, and where the value begins.
fn object_start(bytes: &[u8]) -> Option<(u64, usize)> {
    let head = bytes.get(..64).unwrap_or(bytes);
    let start = head.windows(3).position(|bytes| bytes == b"obj")?;
    let mut words = head.get(..start)?.split(|byte| is_blank(*byte));
    let mut words = words.by_ref().filter(|word| !word.is_empty());
    let (number, _generation) = (self::number(words.next()?)?, self::number(words.next()?)?);
    words.next().is_none().then_some((number, start + 3))
}

/// Where the lines begin behind `first count`.
fn lines_start(window: &[u8]) -> Option<usize> {
    let mut at = 0;
    for _ in 0..2 {
        at += window.get(at..)?.iter().position(|byte| !is_blank(*byte))?;
        at += window.get(at..)?.iter().position(|byte| is_blank(*byte))?;
    }
    Some(at + window.get(at..)?.iter().position(|byte| !is_blank(*byte))?)
}

fn packed_place(line: &[u8], [kind, second, third]: [usize; 3]) -> Option<Place> {
    let field = |start: usize, length: usize| {
        let bytes = line.get(start..start.checked_add(length)?)?;
        Some(bytes.iter().fold(0_u64, |value, byte| (value << 8) | u64::from(*byte)))
    };
    let value = field(kind, second)?;
    field(kind + second, third)?;
    match if kind == 0 { 1 } else { field(0, kind)? } {
        1 => Some(Place::At(value)),
        2 => Some(Place::In { container: value }),
        _ => None,
    }
}

fn integers(value: &Value) -> Option<Vec<u64>> {
    match value {
        Value::List(values) => values.iter().map(Value::as_integer).collect(),
        _ => None,
    }
}

fn number(word: &[u8]) -> Option<u64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}
