//! From words to a tree. Chains of `and`, `or` and of steps are lists, so that only what is nested costs depth.

use super::lexer::{Mistake, Token};
use super::{MAX_DEPTH, MAX_PARTS};
use serde_json::{Number, Value};

/// An expression.
#[derive(Debug, Clone)]
pub(super) enum Expr {
    Const(Value),
    /// A field of the event, and the way on from there.
    Look(Vec<Step>),
    List(Vec<Expr>),
    Call(Function, Vec<Expr>),
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Compare(Box<Expr>, Operator, Box<Expr>),
}

/// A step into a value.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Field(String),
    /// From the end, where it is negative.
    Index(i64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
    In,
    NotIn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Lower,
    StartsWith,
    EndsWith,
    Len,
}

const FUNCTIONS: [(&str, Function, usize); 4] = [
    ("lower", Function::Lower, 1),
    ("startswith", Function::StartsWith, 2),
    ("endswith", Function::EndsWith, 2),
    ("len", Function::Len, 1),
];

const KEYWORDS: [&str; 4] = ["and", "or", "not", "in"];

pub(super) fn parse(tokens: Vec<(usize, Token)>, end: usize, event_fields: &[&str]) -> Result<Expr, Mistake> {
    let mut parser = Parser { tokens, next: 0, end, depth: 0, parts: 0, event_fields };
    let expr = parser.either()?;
    match parser.peek() {
        None => Ok(expr),
        Some(token) => {
            Err(parser.mistake(format!("{} comes after the end: is an `and` or `or` missing?", said(token))))
        }
    }
}

struct Parser<'a> {
    tokens: Vec<(usize, Token)>,
    next: usize,
    end: usize,
    depth: usize,
    parts: usize,
    event_fields: &'a [&'a str],
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.next += 1;
        token
    }

    /// Whether the next word is this sign, which is then taken.
    fn sign(&mut self, sign: &str) -> bool {
        let is_it = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        self.next += usize::from(is_it);
        is_it
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let is_it = matches!(self.peek(), Some(Token::Word(found)) if found == keyword);
        self.next += usize::from(is_it);
        is_it
    }

    /// A mistake at the next word.
    fn mistake(&self, problem: impl Into<String>) -> Mistake {
        (self.tokens.get(self.next).map_or(self.end, |(offset, _)| *offset), problem.into())
    }

    /// A mistake at the word that was taken last.
    fn mistake_before(&self, problem: impl Into<String>) -> Mistake {
        let taken = self.tokens.get(self.next.saturating_sub(1));
        (taken.map_or(self.end, |(offset, _)| *offset), problem.into())
    }

    fn part(&mut self) -> Result<(), Mistake> {
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(self.mistake(format!("it has more than {MAX_PARTS} parts: make several triggers of it")));
        }
        Ok(())
    }

    /// One level deeper.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, Mistake>) -> Result<T, Mistake> {
        if self.depth == MAX_DEPTH {
            return Err(self.mistake(format!("it is nested more than {MAX_DEPTH} deep")));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn either(&mut self) -> Result<Expr, Mistake> {
        self.chain("or", Self::both, Expr::Or)
    }

    fn both(&mut self) -> Result<Expr, Mistake> {
        self.chain("and", Self::negation, Expr::And)
    }

    fn chain(
        &mut self,
        keyword: &str,
        operand: fn(&mut Self) -> Result<Expr, Mistake>,
        whole: fn(Vec<Expr>) -> Expr,
    ) -> Result<Expr, Mistake> {
        let first = operand(self)?;
        let mut all = vec![first];
        while self.keyword(keyword) {
            self.part()?;
            all.push(operand(self)?);
        }
        Ok(if all.len() == 1 { all.swap_remove(0) } else { whole(all) })
    }

    fn negation(&mut self) -> Result<Expr, Mistake> {
        if !self.keyword("not") {
            return self.comparison();
        }
        self.part()?;
        self.nested(|parser| Ok(Expr::Not(Box::new(parser.negation()?))))
    }

    fn comparison(&mut self) -> Result<Expr, Mistake> {
        let left = self.operand()?;
        let Some(operator) = self.operator()? else { return Ok(left) };
        self.part()?;
        let right = self.operand()?;
        if self.operator()?.is_some() {
            return Err(self.mistake_before("comparisons do not go on: join two with `and`"));
        }
        Ok(Expr::Compare(Box::new(left), operator, Box::new(right)))
    }

    fn operator(&mut self) -> Result<Option<Operator>, Mistake> {
        const SIGNS: [(&str, Operator); 6] = [
            ("==", Operator::Equal),
            ("!=", Operator::Unequal),
            ("<", Operator::Less),
            ("<=", Operator::LessOrEqual),
            (">", Operator::More),
            (">=", Operator::MoreOrEqual),
        ];
        if let Some((_, operator)) = SIGNS.into_iter().find(|(sign, _)| self.sign(sign)) {
            return Ok(Some(operator));
        }
        if self.keyword("in") {
            return Ok(Some(Operator::In));
        }
        if self.keyword("not") {
            return if self.keyword("in") {
                Ok(Some(Operator::NotIn))
            } else {
                Err(self.mistake("after a value, `not` goes on with `in`"))
            };
        }
        Ok(None)
    }

    fn operand(&mut self) -> Result<Expr, Mistake> {
        self.part()?;
        let Some(token) = self.take() else {
            return Err((self.end, "something is missing: a name, a text, a number, `(` or `[`".to_owned()));
        };
        match token {
            Token::Text(text) => Ok(Expr::Const(text.into())),
            Token::Number(number) => Ok(Expr::Const(number.into())),
            Token::Sign("-") => match self.take() {
                Some(Token::Number(number)) => Ok(Expr::Const(negative(&number))),
                Some(_) | None => Err(self.mistake_before("`-` stands before a number only")),
            },
            Token::Sign("(") => self.nested(|parser| {
                let inner = parser.either()?;
                parser.expect(")")?;
                Ok(inner)
            }),
            Token::Sign("[") => Ok(Expr::List(self.list("]")?)),
            Token::Sign(sign) => Err(self.mistake_before(format!("`{sign}` is no value"))),
            Token::Word(word) => self.word(word),
        }
    }

    fn word(&mut self, word: String) -> Result<Expr, Mistake> {
        match word.as_str() {
            "true" => return Ok(Expr::Const(true.into())),
            "false" => return Ok(Expr::Const(false.into())),
            "none" | "null" => return Ok(Expr::Const(Value::Null)),
            keyword if KEYWORDS.contains(&keyword) => {
                return Err(self.mistake_before(format!("`{keyword}` is no value")));
            }
            _ => {}
        }
        if matches!(self.peek(), Some(Token::Sign("("))) {
            return self.call(&word);
        }
        let mut steps = match word.as_str() {
            "event" => Vec::new(),
            "payload" | "headers" => vec![Step::Field(word)],
            _ => {
                let problem = format!(
                    "`{word}` is not known: a filter sees `payload`, `headers` and `event`, and texts stand in quotes"
                );
                return Err(self.mistake_before(problem));
            }
        };
        while let Some(step) = self.step()? {
            self.part()?;
            steps.push(step);
            if let [Step::Field(field)] = steps.as_slice()
                && !self.event_fields.contains(&field.as_str())
            {
                let known = self.event_fields.join("`, `");
                return Err(self.mistake_before(format!("`event.{field}` is not there: `event` has `{known}`")));
            }
        }
        Ok(Expr::Look(steps))
    }

    fn step(&mut self) -> Result<Option<Step>, Mistake> {
        if self.sign(".") {
            return match self.take() {
                Some(Token::Word(field)) => Ok(Some(Step::Field(field))),
                Some(_) | None => {
                    Err(self.mistake_before("after `.` comes the name of a field; other names go as `['the name']`"))
                }
            };
        }
        if !self.sign("[") {
            return Ok(None);
        }
        let negative = self.sign("-");
        let step = match self.take() {
            Some(Token::Text(field)) if !negative => Step::Field(field),
            Some(Token::Number(number)) => {
                let index = number.as_i64().ok_or_else(|| self.mistake_before("an index is a whole number"))?;
                Step::Index(if negative { -index } else { index })
            }
            Some(_) | None => return Err(self.mistake_before("in `[...]` stands a text in quotes or a whole number")),
        };
        self.expect("]")?;
        Ok(Some(step))
    }

    fn call(&mut self, name: &str) -> Result<Expr, Mistake> {
        let found = FUNCTIONS.into_iter().find(|(known, _, _)| *known == name);
        let Some((_, function, wanted)) = found else {
            let known = FUNCTIONS.map(|(known, _, _)| format!("`{known}`")).join(", ");
            return Err(self.mistake_before(format!("there is no function `{name}`: there are {known}")));
        };
        let at = self.next.saturating_sub(1);
        self.expect("(")?;
        let arguments = self.list(")")?;
        if arguments.len() != wanted {
            let offset = self.tokens.get(at).map_or(self.end, |(offset, _)| *offset);
            return Err((offset, format!("`{name}` takes {wanted} values, not {}", arguments.len())));
        }
        Ok(Expr::Call(function, arguments))
    }

    /// Expressions between commas, up to and with the closing sign.
    fn list(&mut self, closing: &str) -> Result<Vec<Expr>, Mistake> {
        self.nested(|parser| {
            let mut items = Vec::new();
            while !parser.sign(closing) {
                if !items.is_empty() {
                    parser.expect(",")?;
                    if parser.sign(closing) {
                        break;
                    }
                }
                items.push(parser.either()?);
            }
            Ok(items)
        })
    }

    fn expect(&mut self, sign: &str) -> Result<(), Mistake> {
        if self.sign(sign) {
            return Ok(());
        }
        let found = self.peek().map_or_else(|| "the end".to_owned(), said);
        Err(self.mistake(format!("`{sign}` is missing before {found}")))
    }
}

fn negative(number: &Number) -> Value {
    match number.as_i64() {
        Some(whole) => (-whole).into(),
        None => number.as_f64().map_or(Value::Null, |real| (-real).into()),
    }
}

fn said(token: &Token) -> String {
    match token {
        Token::Word(word) => format!("`{word}`"),
        Token::Text(text) => format!("'{text}'"),
        Token::Number(number) => format!("`{number}`"),
        Token::Sign(sign) => format!("`{sign}`"),
    }
}
