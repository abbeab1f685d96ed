//! Shopify's search syntax (<https://shopify.dev/docs/api/usage/search-syntax>), as far as its clients use it on catalogues:
//! `field:value`, comparisons, quotes, `AND`, `OR`, `NOT`, `-`, parentheses, bare words, and `*` at the end of a value.

use jiff::Timestamp;
use jiff::civil::Date;

/// What a record says about a field of a filter.
#[derive(Clone, Debug)]
pub enum Fact {
    /// One of several texts, compared without case.
    Texts(Vec<String>),
    /// Texts that are taken apart into words: a value that is not quoted meets any text that shares a word with it.
    Words(Vec<String>),
    /// One of several numbers.
    Numbers(Vec<i64>),
    /// A time, or none.
    Time(Option<Timestamp>),
    /// The filter does not exist: Shopify ignores the term.
    Unknown,
}

/// A parsed filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Everything.
    All,
    /// A field compared with a value.
    Term(Term),
    /// A word anywhere.
    Word(String),
    /// Both sides.
    And(Box<Filter>, Box<Filter>),
    /// Either side.
    Or(Box<Filter>, Box<Filter>),
    /// The opposite.
    Not(Box<Filter>),
}

/// A field compared with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// Name of the field, in lower case.
    pub field: String,
    /// The comparison.
    pub comparison: Comparison,
    /// The value without quotes.
    pub value: String,
    /// Whether it was in quotes.
    pub quoted: bool,
}

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `:`
    Equal,
    /// `:<`
    Less,
    /// `:<=`
    LessOrEqual,
    /// `:>`
    Greater,
    /// `:>=`
    GreaterOrEqual,
}

impl Filter {
    /// Reads a filter. Like Shopify it makes the best of anything.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut parser = Parser { tokens: tokens(text), at: 0 };
        let mut filter = parser.any();
        // A stray closing parenthesis ends nothing.
        while parser.at < parser.tokens.len() {
            parser.at += 1;
            let more = parser.any();
            filter = and(filter, more);
        }
        filter
    }

    /// Whether a record passes. `fact` tells what it says about a field; `words` whether it contains a word.
    pub fn passes(&self, fact: &dyn Fn(&str) -> Fact, word: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::All => true,
            Self::Term(term) => term.holds(&fact(&term.field)),
            Self::Word(text) => word(&text.to_lowercase()),
            Self::And(one, other) => one.passes(fact, word) && other.passes(fact, word),
            Self::Or(one, other) => one.passes(fact, word) || other.passes(fact, word),
            Self::Not(inner) => !inner.passes(fact, word),
        }
    }

    /// The values a field is required to equal anywhere in the filter.
    pub fn first_value(&self, field: &str) -> Option<&str> {
        match self {
            Self::Term(term) => (term.field == field).then_some(term.value.as_str()),
            Self::And(one, other) | Self::Or(one, other) => {
                one.first_value(field).or_else(|| other.first_value(field))
            }
            Self::All | Self::Word(_) | Self::Not(_) => None,
        }
    }
}

impl Term {
    fn holds(&self, fact: &Fact) -> bool {
        let compare = |ordering: std::cmp::Ordering| match self.comparison {
            Comparison::Equal => ordering.is_eq(),
            Comparison::Less => ordering.is_lt(),
            Comparison::LessOrEqual => ordering.is_le(),
            Comparison::Greater => ordering.is_gt(),
            Comparison::GreaterOrEqual => ordering.is_ge(),
        };
        match fact {
            Fact::Unknown => true,
            Fact::Time(time) => match (time, instant(&self.value)) {
                (Some(time), Some(limit)) => compare(time.cmp(&limit)),
                _ => false,
            },
            Fact::Numbers(numbers) => match number(&self.value) {
                Some(limit) => numbers.iter().any(|number| compare(number.cmp(&limit))),
                None => self.value == "*" && !numbers.is_empty(),
            },
            Fact::Words(texts) if !self.quoted => {
                let wanted: Vec<String> = words(&self.value).collect();
                let start = self.value.ends_with('*');
                let meets = |own: &str| {
                    wanted.iter().any(|word| own == word || start && own.starts_with(word.as_str()))
                };
                texts.iter().any(|text| words(text).any(|own| meets(&own)))
            }
            Fact::Texts(texts) | Fact::Words(texts) => {
                let wanted = self.value.to_lowercase();
                texts.iter().any(|text| {
                    let text = text.to_lowercase();
                    match wanted.strip_suffix('*') {
                        Some(start) => text.starts_with(start) && !text.is_empty(),
                        None => compare(text.cmp(&wanted)),
                    }
                })
            }
        }
    }
}

/// The words of a text: what stands between anything but letters and digits.
fn words(text: &str) -> impl Iterator<Item = String> {
    let parts = text.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
    parts.map(str::to_lowercase).collect::<Vec<_>>().into_iter()
}

fn number(text: &str) -> Option<i64> {
    text.rsplit('/').next()?.parse().ok()
}

fn instant(text: &str) -> Option<Timestamp> {
    text.parse::<Timestamp>().ok().or_else(|| {
        let local = text.parse::<jiff::civil::DateTime>().ok();
        let local = local.or_else(|| text.parse::<Date>().ok().map(|date| date.at(0, 0, 0, 0)));
        jiff::tz::TimeZone::UTC.to_timestamp(local?).ok()
    })
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    And,
    Or,
    Not,
    Term(Term),
    Word(String),
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let consumed = match first {
            '(' => {
                tokens.push(Token::Open);
                1
            }
            ')' => {
                tokens.push(Token::Close);
                1
            }
            '-' => {
                tokens.push(Token::Not);
                1
            }
            _ => {
                let (token, length) = word_or_term(rest);
                tokens.push(token);
                length
            }
        };
        rest = rest[consumed..].trim_start();
    }
    tokens
}

fn word_or_term(text: &str) -> (Token, usize) {
    let name_end = text.find(|c: char| !(c.is_alphanumeric() || "_.-$".contains(c))).unwrap_or(text.len());
    let (name, after) = text.split_at(name_end);
    if !name.is_empty()
        && let Some(after) = after.strip_prefix(':')
    {
        let spaced = after.trim_start();
        let (comparison, sign) = match spaced.as_bytes() {
            [b'<', b'=', ..] => (Comparison::LessOrEqual, 2),
            [b'>', b'=', ..] => (Comparison::GreaterOrEqual, 2),
            [b'<', ..] => (Comparison::Less, 1),
            [b'>', ..] => (Comparison::Greater, 1),
            _ => (Comparison::Equal, 0),
        };
        let value_text = spaced[sign..].trim_start();
        let (value, length) = value(value_text);
        let quoted = value_text.starts_with(['\'', '"']);
        let consumed = text.len() - value_text.len() + length;
        return (Token::Term(Term { field: name.to_lowercase(), comparison, value, quoted }), consumed);
    }
    let (word, length) = value(text);
    let token = match word.as_str() {
        "AND" => Token::And,
        "OR" => Token::Or,
        "NOT" => Token::Not,
        _ => Token::Word(word),
    };
    (token, length.max(1))
}

/// A value, quoted or up to the next blank or parenthesis, and how many bytes it took.
fn value(text: &str) -> (String, usize) {
    let Some(quote) = text.chars().next().filter(|first| matches!(first, '\'' | '"')) else {
        let end = text.find(|c: char| c.is_whitespace() || c == ')' || c == '(').unwrap_or(text.len());
        return (text[..end].to_owned(), end);
    };
    let mut content = String::new();
    let mut escaped = false;
    for (place, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => {
                content.push(character);
                escaped = false;
            }
            '\\' => escaped = true,
            _ if character == quote => return (content, place + 1),
            _ => content.push(character),
        }
    }
    (content, text.len())
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn any(&mut self) -> Filter {
        let mut filter = self.all();
        while self.tokens.get(self.at) == Some(&Token::Or) {
            self.at += 1;
            filter = Filter::Or(Box::new(filter), Box::new(self.all()));
        }
        filter
    }

    fn all(&mut self) -> Filter {
        let mut filter = Filter::All;
        loop {
            match self.tokens.get(self.at) {
                Some(Token::And) => self.at += 1,
                None | Some(Token::Close | Token::Or) => return filter,
                Some(_) => {
                    let next = self.one();
                    filter = and(filter, next);
                }
            }
        }
    }

    fn one(&mut self) -> Filter {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        match token {
            Some(Token::Not) => Filter::Not(Box::new(self.one())),
            Some(Token::Open) => {
                let inner = self.any();
                if self.tokens.get(self.at) == Some(&Token::Close) {
                    self.at += 1;
                }
                inner
            }
            Some(Token::Term(term)) => Filter::Term(term),
            Some(Token::Word(word)) => Filter::Word(word),
            _ => Filter::All,
        }
    }
}

fn and(one: Filter, other: Filter) -> Filter {
    match (one, other) {
        (Filter::All, filter) | (filter, Filter::All) => filter,
        (one, other) => Filter::And(Box::new(one), Box::new(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(filter: &str, id: i64, updated: &str, tag: &str) -> bool {
        let fact = |field: &str| match field {
            "id" => Fact::Numbers(vec![id]),
            "updated_at" => Fact::Time(Some(updated.parse().unwrap())),
            "tag" => Fact::Texts(vec![tag.to_owned()]),
            _ => Fact::Unknown,
        };
        Filter::parse(filter).passes(&fact, &|word| tag.contains(word))
    }

    #[test]
    fn reads_what_clients_send() {
        let window = "updated_at:>='2026-01-01T00:00:00+00:00' AND updated_at:<='2026-02-01T00:00:00Z'";
        assert!(passes(window, 1, "2026-01-15T00:00:00Z", ""));
        assert!(!passes(window, 1, "2026-02-15T00:00:00Z", ""));
        assert!(passes("id:>=5 id:<10", 7, "2026-01-15T00:00:00Z", ""));
        assert!(!passes("id:>=5 id:<10", 10, "2026-01-15T00:00:00Z", ""));
        assert!(passes("id:gid://shopify/Product/7", 7, "2026-01-15T00:00:00Z", ""));
        assert!(passes("(id:1 OR id:2) AND NOT tag:'on sale'", 2, "2026-01-15T00:00:00Z", "new"));
        assert!(!passes("(id:1 OR id:2) -tag:'on sale'", 2, "2026-01-15T00:00:00Z", "On Sale"));
        assert!(passes("updated_at:>2026-01-14", 2, "2026-01-15T00:00:00Z", ""));
        assert!(passes("tag:su*", 2, "2026-01-15T00:00:00Z", "summer"));
    }

    #[test]
    fn ignores_a_filter_it_does_not_know() {
        assert!(passes("colour:red", 2, "2026-01-15T00:00:00Z", ""));
    }
}
