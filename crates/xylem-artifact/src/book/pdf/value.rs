//! Values of a PDF document, as far as facts are made of them.

/// Deepest nesting. What is looked at nests three deep; resources of pages some ten.
const MAX_DEPTH: usize = 32;
/// Most values of one object: the list of all pages of a large document.
const MAX_VALUES: usize = 200_000;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Integer(u64),
    /// Without the slash.
    Name(Vec<u8>),
    Text(Vec<u8>),
    /// The number of another object.
    Reference(u64),
    List(Vec<Value>),
    Dictionary(Vec<(Vec<u8>, Value)>),
    /// A keyword, or a number that is no natural one.
    Other(Vec<u8>),
}

impl Value {
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Dictionary(pairs) => {
                pairs.iter().find(|(name, _)| name == key.as_bytes()).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    pub(super) fn integer(&self, key: &str) -> Option<u64> {
        self.get(key)?.as_integer()
    }

    pub(super) fn as_integer(&self) -> Option<u64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn reference(&self, key: &str) -> Option<u64> {
        match self.get(key)? {
            Self::Reference(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn is_name(&self, name: &str) -> bool {
        matches!(self, Self::Name(bytes) if bytes == name.as_bytes())
    }

    /// Reads one value; also how many bytes it takes.
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let mut tokens = Tokens { bytes, at: 0 };
        let mut open: Vec<(bool, Vec<Self>)> = Vec::new();
        for _ in 0..MAX_VALUES {
            let value = match tokens.next()? {
                Token::Open { dictionary } => {
                    if open.len() == MAX_DEPTH {
                        return None;
                    }
                    open.push((dictionary, Vec::new()));
                    continue;
                }
                Token::Close { dictionary } => {
                    let (is_dictionary, values) = open.pop()?;
                    match (dictionary, is_dictionary) {
                        (true, true) => pairs(values)?,
                        (false, false) => Self::List(values),
                        _ => return None,
                    }
                }
                Token::Value(value) => value,
            };
            match open.last_mut() {
                None => return Some((value, tokens.at)),
                Some((_, values)) => place(values, value),
            }
        }
        None
    }
}

/// Appends a value; `R` behind two numbers makes a reference of them.
fn place(values: &mut Vec<Value>, value: Value) {
    if value == Value::Other(b"R".to_vec())
        && let [.., Value::Integer(number), Value::Integer(_)] = values.as_slice()
    {
        let number = *number;
        values.truncate(values.len() - 2);
        values.push(Value::Reference(number));
    } else {
        values.push(value);
    }
}

fn pairs(values: Vec<Value>) -> Option<Value> {
    let mut pairs = Vec::new();
    let mut values = values.into_iter();
    while let Some(key) = values.next() {
        let Value::Name(key) = key else { return None };
        pairs.push((key, values.next()?));
    }
    Some(Value::Dictionary(pairs))
}

enum Token {
    Open { dictionary: bool },
    Close { dictionary: bool },
    Value(Value),
}

/// Whether a byte ends a name, number or keyword.
fn ends_word(byte: u8) -> bool {
    is_blank(byte) || b"()<>[]{}/%".contains(&byte)
}

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | 0x0c | b'\r' | b' ')
}

struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| !wanted(*byte)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    fn starts_with(&self, text: &[u8]) -> bool {
        self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(text))
    }

    fn next(&mut self) -> Option<Token> {
        loop {
            self.take_while(is_blank);
            if self.peek()? != b'%' {
                break;
            }
            self.take_while(|byte| !matches!(byte, b'\r' | b'\n'));
        }
        for (text, token) in [
            (&b"<<"[..], Token::Open { dictionary: true }),
            (b">>", Token::Close { dictionary: true }),
            (b"[", Token::Open { dictionary: false }),
            (b"]", Token::Close { dictionary: false }),
        ] {
            if self.starts_with(text) {
                self.at += text.len();
                return Some(token);
            }
        }
        let value = match self.peek()? {
            b'(' => self.text()?,
            b'<' => self.hexadecimal()?,
            b'/' => {
                self.at += 1;
                Value::Name(self.take_while(|byte| !ends_word(byte)).to_vec())
            }
            byte if ends_word(byte) => return None,
            _ => word(self.take_while(|byte| !ends_word(byte))),
        };
        Some(Token::Value(value))
    }

    /// A text in parentheses, which may hold others in pairs.
    fn text(&mut self) -> Option<Value> {
        let mut text = Vec::new();
        let mut open = 0_usize;
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'(' => {
                    open += 1;
                    if open == 1 {
                        continue;
                    }
                }
                b')' => {
                    open -= 1;
                    if open == 0 {
                        return Some(Value::Text(text));
                    }
                }
                b'\\' => {
                    text.extend(self.escaped()?);
                    continue;
                }
                _ => {}
            }
            text.push(byte);
        }
    }

    /// What a backslash stands for; nothing at the end of a line.
    fn escaped(&mut self) -> Option<Option<u8>> {
        let byte = self.peek()?;
        self.at += 1;
        Some(Some(match byte {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 8,
            b'f' => 12,
            b'\r' => {
                self.at += usize::from(self.peek() == Some(b'\n'));
                return Some(None);
            }
            b'\n' => return Some(None),
            b'0'..=b'7' => {
                let mut value = u32::from(byte - b'0');
                for _ in 0..2 {
                    let Some(digit @ b'0'..=b'7') = self.peek() else { break };
                    value = value * 8 + u32::from(digit - b'0');
                    self.at += 1;
                }
                u8::try_from(value & 0xff).ok()?
            }
            other => other,
        }))
    }

    fn hexadecimal(&mut self) -> Option<Value> {
        self.at += 1;
        let mut digits = self.take_while(|byte| byte != b'>').to_vec();
        self.peek()?;
        self.at += 1;
        digits.retain(|byte| !is_blank(*byte));
        if digits.len() % 2 == 1 {
            digits.push(b'0');
        }
        hex::decode(digits).ok().map(Value::Text)
    }
}

fn word(word: &[u8]) -> Value {
    let number = std::str::from_utf8(word).ok().and_then(|word| word.parse().ok());
    number.map_or_else(|| Value::Other(word.to_vec()), Value::Integer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Option<Value> {
        Value::read(text).map(|(value, _)| value)
    }

    #[test]
    fn values_are_read() {
        let text =
            b"<</A 1/B(a(b)\\)\\n\\101\\\nc)/C[ 2 0 R null -3 ]% no\n/D<4 1 5>/E<</F/G>>>> rest";
        let (value, length) = Value::read(text).unwrap();
        assert_eq!(&text[length..], b" rest");
        assert_eq!(value.integer("A"), Some(1));
        assert_eq!(value.get("B"), Some(&Value::Text(b"a(b))\nAc".to_vec())));
        let list =
            [Value::Reference(2), Value::Other(b"null".to_vec()), Value::Other(b"-3".to_vec())];
        assert_eq!(value.get("C"), Some(&Value::List(list.to_vec())));
        assert_eq!(value.get("D"), Some(&Value::Text(b"AP".to_vec())));
        assert!(value.get("E").unwrap().get("F").unwrap().is_name("G"));
    }

    #[test]
    fn what_is_no_value_is_none() {
        let deep = b"[".repeat(100_000);
        let many = [b"[".to_vec(), b"1 ".repeat(MAX_VALUES), b"]".to_vec()].concat();
        for text in [
            &b""[..],
            b"%",
            b"<<",
            b"<</A>>",
            b"<<1 2>>",
            b"[",
            b"[>>",
            b"<<]",
            b"]",
            b"(a",
            b"(\\",
            b"<41",
            b"<4x>",
            b"}",
            &deep,
            &many,
        ] {
            assert_eq!(read(text), None);
        }
    }
}
