//! Templates in a small part of Liquid. What is left out could run for long, grow without bound, or answer differently
//! the next time: loops, assignments, arithmetic, dates.

use std::fmt;
use std::sync::OnceLock;

use liquid_core::{
    Display_filter, Expression, Filter, FilterParameters, FilterReflection, FromFilterParameters,
    ParseFilter, Runtime, ValueView,
};
use liquid_lib::stdlib;
use serde_json::{Map, Value};

/// The longest template. Nesting is bounded by it, too.
const LONGEST: usize = 2_000;
/// The most digits in a row: the parser takes more for a mistake of its own, and panics.
const DIGITS: usize = 18;
/// The longest text that a template may make.
const LARGEST: usize = 512 * 1024;

/// Makes a text the part of an address that names a record: `Été 2026!` becomes `ete-2026`.
#[derive(Clone, ParseFilter, FilterReflection)]
#[filter(name = "handleize", description = "Makes a handle of a text.", parsed(HandleizeFilter))]
struct Handleize;

#[derive(Debug, Default, Display_filter)]
#[name = "handleize"]
struct HandleizeFilter;

impl Filter for HandleizeFilter {
    fn evaluate(&self, input: &dyn ValueView, _: &dyn Runtime) -> liquid_core::Result<liquid_core::Value> {
        Ok(liquid_core::Value::scalar(handle(&input.to_kstr())))
    }
}

/// Lower-case letters and digits, everything else a single dash between them.
fn handle(text: &str) -> String {
    let mut handle = String::with_capacity(text.len());
    for character in text.to_lowercase().chars() {
        if character.is_alphanumeric() {
            handle.push(character);
        } else if character != '\'' && !handle.is_empty() && !handle.ends_with('-') {
            handle.push('-');
        }
    }
    handle.truncate(handle.trim_end_matches('-').len());
    handle
}

#[derive(Debug, FilterParameters)]
struct ReplaceArgs {
    #[parameter(description = "What to look for.", arg_type = "str")]
    search: Expression,
    #[parameter(description = "What to put in its place.", arg_type = "str")]
    replace: Option<Expression>,
}

/// The standard's `replace`, but for the bound: a few of them in a row make gigabytes out of a letter.
#[derive(Clone, ParseFilter, FilterReflection)]
#[filter(name = "replace", description = "Replaces a text.", parameters(ReplaceArgs), parsed(ReplaceFilter))]
struct Replace;

#[derive(Debug, FromFilterParameters, Display_filter)]
#[name = "replace"]
struct ReplaceFilter {
    #[parameters]
    args: ReplaceArgs,
}

impl Filter for ReplaceFilter {
    fn evaluate(
        &self,
        input: &dyn ValueView,
        runtime: &dyn Runtime,
    ) -> liquid_core::Result<liquid_core::Value> {
        let args = self.args.evaluate(runtime)?;
        let input = input.to_kstr();
        let replace = args.replace.unwrap_or_default();
        let hits = input.matches(args.search.as_str()).count();
        if input.len() + hits * replace.len() > LARGEST {
            return Err(liquid_core::Error::with_msg("the text becomes too long"));
        }
        Ok(liquid_core::Value::scalar(input.replace(args.search.as_str(), replace.as_str())))
    }
}

/// The parser with the filters and blocks that templates may use.
fn parser() -> Result<&'static liquid::Parser, TemplateError> {
    static PARSER: OnceLock<Option<liquid::Parser>> = OnceLock::new();
    let built = PARSER.get_or_init(|| {
        let builder = liquid::ParserBuilder::new()
            .block(stdlib::IfBlock)
            .block(stdlib::UnlessBlock)
            .block(stdlib::CaseBlock)
            .block(stdlib::CommentBlock)
            .block(stdlib::RawBlock)
            .filter(stdlib::Append)
            .filter(stdlib::Prepend)
            .filter(stdlib::Capitalize)
            .filter(stdlib::Downcase)
            .filter(stdlib::Upcase)
            .filter(stdlib::Default)
            .filter(stdlib::Escape)
            .filter(stdlib::Lstrip)
            .filter(stdlib::NewlineToBr)
            .filter(stdlib::Remove)
            .filter(stdlib::RemoveFirst)
            .filter(stdlib::ReplaceFirst)
            .filter(stdlib::Rstrip)
            .filter(stdlib::Strip)
            .filter(stdlib::StripHtml)
            .filter(stdlib::StripNewlines)
            .filter(stdlib::UrlEncode)
            .filter(Handleize)
            .filter(Replace);
        builder.build().ok()
    });
    built.as_ref().ok_or_else(|| TemplateError("templates are not available".to_owned()))
}

/// Why a template cannot be read or rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct TemplateError(String);

impl From<liquid_core::Error> for TemplateError {
    /// The first line says what, the rest shows the template, which the caller has.
    fn from(error: liquid_core::Error) -> Self {
        let text = error.to_string();
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or("cannot be read");
        Self(first.trim_start_matches("liquid: ").to_owned())
    }
}

/// A template, compiled.
pub(super) struct Template {
    compiled: liquid::Template,
    /// Every word in it that may name a column: only these are handed over.
    words: Vec<String>,
    /// Those with which something that is printed begins.
    printed: Vec<String>,
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template").field("words", &self.words).finish_non_exhaustive()
    }
}

impl Template {
    /// Reads a template.
    pub(super) fn compile(text: &str) -> Result<Self, TemplateError> {
        if text.len() > LONGEST {
            return Err(TemplateError(format!("a template has {LONGEST} characters at most")));
        }
        if text.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > DIGITS) {
            return Err(TemplateError(format!("a number in a template has {DIGITS} digits at most")));
        }
        let compiled = parser()?.parse(text)?;
        let mut words: Vec<String> = text
            .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-')))
            .filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
            .map(str::to_owned)
            .collect();
        words.sort_unstable();
        words.dedup();
        let begins = |part: &str| {
            let part = part.trim_start_matches('-').trim_start();
            words.iter().filter(|word| part.starts_with(word.as_str())).max_by_key(|word| word.len()).cloned()
        };
        let printed = text.split("{{").skip(1).filter_map(begins).collect();
        Ok(Self { compiled, words, printed })
    }

    /// The columns that it prints. What it only compares is not among them.
    pub(super) fn printed(&self) -> impl Iterator<Item = &str> {
        self.printed.iter().map(String::as_str)
    }

    /// The text that it makes of a row. A column that the row lacks is nothing, as `null` is.
    pub(super) fn render(&self, row: &Map<String, Value>) -> Result<String, TemplateError> {
        let mut columns = liquid::Object::new();
        for word in &self.words {
            let value = row.get(word).map_or(liquid_core::Value::Nil, handed_over);
            columns.insert(word.clone().into(), value);
        }
        let mut text = Vec::with_capacity(128);
        self.compiled.render_to(&mut text, &columns)?;
        if text.len() > LARGEST {
            return Err(TemplateError("the text becomes too long".to_owned()));
        }
        String::from_utf8(text).map_err(|_| TemplateError("the text is not UTF-8".to_owned()))
    }
}

/// A value as templates see it. Lists and objects are their JSON: there is nothing to walk them with.
fn handed_over(value: &Value) -> liquid_core::Value {
    match value {
        Value::Null => liquid_core::Value::Nil,
        Value::Bool(yes) => liquid_core::Value::scalar(*yes),
        Value::String(text) => liquid_core::Value::scalar(text.clone()),
        // As it is written: a template that only shows a price must not round it.
        Value::Number(number) => match number.as_i64() {
            Some(whole) => liquid_core::Value::scalar(whole),
            None => liquid_core::Value::scalar(number.to_string()),
        },
        Value::Array(_) | Value::Object(_) => liquid_core::Value::scalar(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn rendered(template: &str, row: &Value) -> Result<String, String> {
        let template = Template::compile(template).map_err(|error| error.to_string())?;
        template.render(row.as_object().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_template_makes_a_text_of_columns() {
        let row =
            json!({"name": "Été l'Homme -- 2026!", "tier": "GOLD", "price": 12.50, "n": 3, "none": null});
        for (template, text) in [
            ("{{ name | handleize }}", "été-lhomme-2026"),
            ("tier-{{ tier | downcase }}", "tier-gold"),
            ("{{ price }} / {{ n }}", "12.5 / 3"),
            ("{% if none %}x{% else %}{{ lacking | default: \"-\" }}{% endif %}", "-"),
            ("{{ tier | replace: \"G\", \"B\" }}", "BOLD"),
        ] {
            assert_eq!(rendered(template, &row).as_deref(), Ok(text), "{template}");
        }
    }

    #[test]
    fn what_is_no_template_or_could_run_for_long_is_refused() {
        for template in [
            "{{ name",
            "{{ name | shout }}",
            "{% for i in (1..1000000000) %}x{% endfor %}",
            "{% assign x = \"a\" %}",
            "{{ \"now\" | date: \"%s\" }}",
            "{% include \"other\" %}",
            &"x".repeat(LONGEST + 1),
            "{{ 9223372036854775808 }}",
        ] {
            assert!(Template::compile(template).is_err(), "{template}");
        }
    }

    #[test]
    fn a_text_cannot_be_blown_up() {
        let ten = " | replace: \"a\", \"aaaaaaaaaa\"".repeat(12);
        let error = rendered(&format!("{{{{ \"a\"{ten} }}}}"), &json!({})).unwrap_err();
        assert!(error.contains("too long"), "{error}");
    }

    proptest! {
        #[test]
        fn no_text_is_lost_or_changed_by_showing_it(text in "\\PC{0,40}") {
            prop_assert_eq!(rendered("{{ c }}", &json!({"c": text})).unwrap(), text);
        }

        #[test]
        fn no_template_panics(template in "(\\{\\{|\\}\\}|\\{%|%\\}| if | endif | c | \\| |append|: |\"a\"|[a-z(.)]){0,14}") {
            let _ = rendered(&template, &json!({"c": "text"}));
        }
    }
}
