//! What a filter says of an event. Nothing of the event is copied but texts that are put in lower case.

use super::parser::{Expr, Function, Operator, Step};
use serde_json::{Number, Value};
use std::borrow::Cow;
use std::cmp::Ordering;

/// A value while it is looked at.
enum Seen<'a> {
    /// Part of the event or of the filter; what is not there is null.
    Value(&'a Value),
    Text(Cow<'a, str>),
    Number(usize),
    Bool(bool),
    List(Vec<Seen<'a>>),
}

const MISSING: Seen<'static> = Seen::Value(&Value::Null);

pub(super) fn is_true(expr: &Expr, event: &Value) -> bool {
    eval(expr, event).is_true()
}

fn eval<'a>(expr: &'a Expr, event: &'a Value) -> Seen<'a> {
    match expr {
        Expr::Const(value) => Seen::Value(value),
        Expr::Look(steps) => steps.iter().fold(Seen::Value(event), |seen, step| seen.step(step)),
        Expr::List(items) => Seen::List(items.iter().map(|item| eval(item, event)).collect()),
        Expr::Call(function, arguments) => call(*function, arguments.iter().map(|argument| eval(argument, event))),
        Expr::Not(inner) => Seen::Bool(!is_true(inner, event)),
        Expr::And(all) => Seen::Bool(all.iter().all(|one| is_true(one, event))),
        Expr::Or(any) => Seen::Bool(any.iter().any(|one| is_true(one, event))),
        Expr::Compare(left, operator, right) => Seen::Bool(compare(&eval(left, event), *operator, &eval(right, event))),
    }
}

impl<'a> Seen<'a> {
    fn is_true(&self) -> bool {
        match self {
            Seen::Value(Value::Null) => false,
            Seen::Value(Value::Bool(bool)) | Seen::Bool(bool) => *bool,
            Seen::Value(Value::Number(number)) => number.as_f64() != Some(0.0),
            Seen::Value(Value::String(text)) => !text.is_empty(),
            Seen::Value(Value::Array(items)) => !items.is_empty(),
            Seen::Value(Value::Object(fields)) => !fields.is_empty(),
            Seen::Text(text) => !text.is_empty(),
            Seen::Number(number) => *number != 0,
            Seen::List(items) => !items.is_empty(),
        }
    }

    fn is_missing(&self) -> bool {
        matches!(self, Seen::Value(Value::Null))
    }

    fn text(&self) -> Option<&str> {
        match self {
            Seen::Value(Value::String(text)) => Some(text),
            Seen::Text(text) => Some(text),
            Seen::Value(_) | Seen::Number(_) | Seen::Bool(_) | Seen::List(_) => None,
        }
    }

    fn number(&self) -> Option<Cow<'_, Number>> {
        match self {
            Seen::Value(Value::Number(number)) => Some(Cow::Borrowed(number)),
            Seen::Number(number) => Some(Cow::Owned(Number::from(*number))),
            Seen::Value(_) | Seen::Text(_) | Seen::Bool(_) | Seen::List(_) => None,
        }
    }

    fn bool(&self) -> Option<bool> {
        match self {
            Seen::Value(Value::Bool(bool)) | Seen::Bool(bool) => Some(*bool),
            Seen::Value(_) | Seen::Text(_) | Seen::Number(_) | Seen::List(_) => None,
        }
    }

    /// Its items, where it is a list.
    fn items(&self) -> Option<Vec<Seen<'_>>> {
        match self {
            Seen::Value(Value::Array(items)) => Some(items.iter().map(Seen::Value).collect()),
            Seen::List(items) => Some(items.iter().map(Seen::borrowed).collect()),
            Seen::Value(_) | Seen::Text(_) | Seen::Number(_) | Seen::Bool(_) => None,
        }
    }

    fn borrowed(&self) -> Seen<'_> {
        match self {
            Seen::Value(value) => Seen::Value(value),
            Seen::Text(text) => Seen::Text(Cow::Borrowed(text)),
            Seen::Number(number) => Seen::Number(*number),
            Seen::Bool(bool) => Seen::Bool(*bool),
            Seen::List(items) => Seen::List(items.iter().map(Seen::borrowed).collect()),
        }
    }

    fn step(self, step: &Step) -> Seen<'a> {
        match (self, step) {
            (Seen::Value(Value::Object(fields)), Step::Field(name)) => fields.get(name).map_or(MISSING, Seen::Value),
            (Seen::Value(Value::Array(items)), Step::Field(name)) => of_all(items.iter().map(Seen::Value), name),
            (Seen::List(items), Step::Field(name)) => of_all(items.into_iter(), name),
            (Seen::Value(Value::Array(items)), Step::Index(index)) => {
                place(*index, items.len()).and_then(|place| items.get(place)).map_or(MISSING, Seen::Value)
            }
            (Seen::List(mut items), Step::Index(index)) => {
                place(*index, items.len()).map_or(MISSING, |place| items.swap_remove(place))
            }
            (Seen::Value(_) | Seen::Text(_) | Seen::Number(_) | Seen::Bool(_), _) => MISSING,
        }
    }
}

/// That field of every item that has it; lists among them are joined, so that one more step goes on.
fn of_all<'a>(items: impl Iterator<Item = Seen<'a>>, name: &str) -> Seen<'a> {
    let mut found = Vec::new();
    for item in items {
        let Seen::Value(Value::Object(fields)) = item else { continue };
        match fields.get(name) {
            Some(Value::Array(inner)) => found.extend(inner.iter().map(Seen::Value)),
            Some(value) => found.push(Seen::Value(value)),
            None => {}
        }
    }
    Seen::List(found)
}

/// A place in a list; a negative one counts from the end.
fn place(index: i64, length: usize) -> Option<usize> {
    let from = if index < 0 { i64::try_from(length).ok()? } else { 0 };
    usize::try_from(from.checked_add(index)?).ok().filter(|place| *place < length)
}

fn call<'a>(function: Function, mut arguments: impl Iterator<Item = Seen<'a>>) -> Seen<'a> {
    let mut argument = || arguments.next().unwrap_or(MISSING);
    let (first, second) = (argument(), argument());
    let both = || Some((first.text()?, second.text()?));
    match function {
        Function::Lower => first.text().map_or(MISSING, |text| Seen::Text(Cow::Owned(text.to_lowercase()))),
        Function::StartsWith => Seen::Bool(both().is_some_and(|(text, start)| text.starts_with(start))),
        Function::EndsWith => Seen::Bool(both().is_some_and(|(text, end)| text.ends_with(end))),
        Function::Len => match &first {
            Seen::Value(Value::Object(fields)) => Seen::Number(fields.len()),
            Seen::Value(Value::Array(items)) => Seen::Number(items.len()),
            Seen::List(items) => Seen::Number(items.len()),
            Seen::Value(_) | Seen::Text(_) | Seen::Number(_) | Seen::Bool(_) => {
                first.text().map_or(MISSING, |text| Seen::Number(text.chars().count()))
            }
        },
    }
}

fn compare(left: &Seen<'_>, operator: Operator, right: &Seen<'_>) -> bool {
    let ordered = |wanted: fn(Ordering) -> bool| order(left, right).is_some_and(wanted);
    match operator {
        Operator::Equal => equal(left, right),
        Operator::Unequal => !equal(left, right),
        Operator::Less => ordered(Ordering::is_lt),
        Operator::LessOrEqual => ordered(Ordering::is_le),
        Operator::More => ordered(Ordering::is_gt),
        Operator::MoreOrEqual => ordered(Ordering::is_ge),
        Operator::In => contains(right, left),
        Operator::NotIn => !contains(right, left),
    }
}

fn equal(left: &Seen<'_>, right: &Seen<'_>) -> bool {
    if let (Seen::Value(left), Seen::Value(right)) = (left, right)
        && left == right
    {
        return true;
    }
    if let (Some(left), Some(right)) = (left.items(), right.items()) {
        return left.len() == right.len() && left.iter().zip(&right).all(|(left, right)| equal(left, right));
    }
    if let (Some(left), Some(right)) = (left.bool(), right.bool()) {
        return left == right;
    }
    order(left, right).is_some_and(Ordering::is_eq)
}

/// Numbers and texts have an order among themselves, nothing else has one.
fn order(left: &Seen<'_>, right: &Seen<'_>) -> Option<Ordering> {
    if let (Some(left), Some(right)) = (left.text(), right.text()) {
        return Some(left.cmp(right));
    }
    let (left, right) = (left.number()?, right.number()?);
    match (left.as_i128(), right.as_i128()) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        (Some(_) | None, _) => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

/// A part of a text, an item of a list, a field of an object. What is missing is in nothing.
fn contains(whole: &Seen<'_>, part: &Seen<'_>) -> bool {
    if part.is_missing() {
        return false;
    }
    if let Seen::Value(Value::Object(fields)) = whole {
        return part.text().is_some_and(|name| fields.contains_key(name));
    }
    match (whole.text(), part.text()) {
        (Some(whole), Some(part)) => whole.contains(part),
        (_, _) => whole.items().is_some_and(|items| items.iter().any(|item| equal(item, part))),
    }
}
