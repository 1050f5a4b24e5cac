//! What models cost and how much they can read: by the table `prices.toml`, and by what a session's settings say instead.

use crate::chat::Tokens;
use crate::session::Price;
use serde::Deserialize;
use std::collections::BTreeMap;

const TABLE: &str = include_str!("prices.toml");

/// The context of models that nobody has written down, in tokens.
const USUAL_WINDOW: u64 = 128_000;

/// The context that Ollama is asked for: it takes memory for all of it.
const OLLAMA_WINDOW: u64 = 16_384;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// The day of which it is, for those who read or change it.
    #[cfg_attr(not(test), expect(dead_code, reason = "it is for people"))]
    date: String,
    model: Vec<Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    window: u64,
    input: f64,
    output: f64,
    cache_read: Option<f64>,
    cache_write: Option<f64>,
}

/// What models cost.
#[derive(Debug)]
pub struct Prices {
    table: Table,
    own: BTreeMap<String, Price>,
}

impl Prices {
    /// The table, with these prices before it.
    #[must_use]
    pub fn new(own: BTreeMap<String, Price>) -> Self {
        // A test reads the table; a broken one would price nothing rather than something wrong.
        let table = toml::from_str(TABLE).unwrap_or(Table { date: String::new(), model: Vec::new() });
        Self { table, own }
    }

    /// What `provider:model` costs; none where nobody has written it down.
    #[must_use]
    pub fn price(&self, model: &str) -> Option<Price> {
        if let Some(price) = self.own.get(model) {
            return Some(*price);
        }
        let row = self.row(model)?;
        let (cache_read, cache_write) = (row.cache_read, row.cache_write);
        Some(Price { input: row.input, output: row.output, cache_read, cache_write })
    }

    /// How many tokens fit into its context.
    #[must_use]
    pub fn window(&self, model: &str) -> u64 {
        let usual = if model.starts_with("ollama:") { OLLAMA_WINDOW } else { USUAL_WINDOW };
        self.row(model).map_or(usual, |row| row.window)
    }

    /// What tokens of a model cost in US dollars; none where the price or a number is not known.
    #[must_use]
    pub fn cost(&self, model: &str, tokens: &Tokens) -> Option<f64> {
        let price = self.price(model)?;
        let part = |count: Option<u64>, price: f64| {
            #[expect(clippy::cast_precision_loss, reason = "nobody reads 2^53 tokens")]
            let count = count.unwrap_or(0) as f64;
            count * price / 1e6
        };
        let counted = part(Some(tokens.input?), price.input) + part(Some(tokens.output?), price.output);
        let read = part(tokens.cache_read, price.cache_read.unwrap_or(price.input));
        let written = part(tokens.cache_write, price.cache_write.unwrap_or(price.input));
        Some(counted + read + written)
    }

    /// The row of a model, whose name may end in the date of its release.
    fn row(&self, model: &str) -> Option<&Row> {
        let model = match model.strip_prefix("openai-responses:") {
            Some(model) => format!("openai:{model}"),
            None => model.to_owned(),
        };
        let is = |name: &str| self.table.model.iter().find(|row| row.name == name);
        is(&model).or_else(|| is(undated(&model)))
    }
}

/// A model's name without `-20250929`, `-2025-09-29` or `-latest` at its end.
fn undated(model: &str) -> &str {
    let model = model.strip_suffix("-latest").unwrap_or(model);
    let date = model.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
    let digits = model[date.len()..].chars().filter(char::is_ascii_digit).count();
    if digits < 8 {
        return model;
    }
    // A version before the date consists of digits, too: only the last eight belong to the date.
    let mut left = 8;
    let at = model.char_indices().rev().find_map(|(at, c)| {
        left -= usize::from(c.is_ascii_digit());
        (left == 0).then_some(at)
    });
    at.and_then(|at| model[..at].strip_suffix('-')).unwrap_or(model)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices() -> Prices {
        let own = Price { input: 1.0, output: 2.0, ..Price::default() };
        Prices::new([("ollama:mine".to_owned(), own)].into())
    }

    #[test]
    fn the_table_is_whole() {
        let table: Table = toml::from_str(TABLE).unwrap();
        assert!(table.date.parse::<jiff::civil::Date>().is_ok());
        for row in &table.model {
            assert!(row.name.parse::<crate::providers::ModelRef>().is_ok(), "{}", row.name);
            assert!(row.input > 0.0 && row.output >= row.input && row.window > 1000, "{}", row.name);
            assert!(row.cache_read.is_none_or(|price| price < row.input), "{}", row.name);
        }
    }

    #[test]
    fn names_with_dates_are_known_and_others_cost_nobody_knows_what() {
        let prices = prices();
        for name in ["claude-sonnet-4-5", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5-latest"] {
            assert!(prices.price(&format!("anthropic:{name}")).is_some(), "{name}");
        }
        assert!(prices.price("openai-responses:gpt-4o-2024-08-06").is_some());
        assert!((prices.price("ollama:mine").unwrap().output - 2.0).abs() < f64::EPSILON);
        assert_eq!(prices.price("openai:gpt-9"), None);
        assert_eq!(prices.cost("openai:gpt-9", &Tokens { input: Some(1), output: Some(1), ..Tokens::default() }), None);
        assert_eq!(prices.window("ollama:mine"), OLLAMA_WINDOW);
    }

    #[test]
    fn a_cost_has_all_its_parts_or_is_not_known() {
        let million = Some(1_000_000);
        let tokens = Tokens { input: million, output: million, cache_read: million, cache_write: million };
        let cost = prices().cost("anthropic:claude-sonnet-4-5", &tokens).unwrap();
        assert!((cost - (3.0 + 15.0 + 0.3 + 3.75)).abs() < 1e-9);
        assert_eq!(prices().cost("anthropic:claude-sonnet-4-5", &Tokens { output: None, ..tokens }), None);
    }
}
