//! The conditional filters of `config.txt`.

use serde::{Deserialize, Serialize};

/// The filters for one model or a family of models; one replaces another.
const MODELS: [&str; 21] = [
    "pi0", "pi0w", "pi02", "pi1", "pi2", "pi3", "pi3+", "pi4", "pi400", "pi5", "pi500", "cm0", "cm1", "cm3",
    "cm3+", "cm4", "cm4s", "cm4l", "cm5", "cm5l", "cm5s",
];

/// The filters above a line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// Not in a normal boot: `[none]`, and `[tryboot]`, which is for one trial boot.
    never: bool,
    /// On one model.
    model: Option<String>,
    /// What only the board itself knows: a pin, a monitor, its serial number.
    others: Vec<String>,
}

/// Whether a line applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applies {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It depends on what is not known.
    Maybe,
}

impl Condition {
    /// Below a filter of which nothing is known.
    pub(super) fn unknown() -> Self {
        Self { others: vec![String::new()], ..Self::default() }
    }

    /// Takes a further filter.
    pub(super) fn set(&mut self, filter: &str) {
        match filter {
            "all" => *self = Self::default(),
            "none" | "tryboot" => self.never = true,
            model if MODELS.contains(&model) => self.model = Some(model.to_owned()),
            other => {
                self.others.retain(|known| kind(known) != kind(other));
                self.others.push(other.to_owned());
            }
        }
    }

    /// Whether it holds in no normal boot.
    pub fn is_never(&self) -> bool {
        self.never
    }

    /// Whether it holds in every normal boot.
    pub fn is_always(&self) -> bool {
        !self.never && self.filter().is_none()
    }

    /// A filter that makes it depend on the board.
    pub fn filter(&self) -> Option<&str> {
        self.others.last().or(self.model.as_ref()).map(String::as_str)
    }

    /// Whether it holds on a board that the filters `models` are for; none for a board of which that is not known.
    pub fn applies(&self, models: Option<&[String]>) -> Applies {
        match (&self.model, models) {
            _ if self.never => Applies::No,
            (Some(model), Some(models)) if !models.contains(model) => Applies::No,
            (Some(_), None) => Applies::Maybe,
            _ if !self.others.is_empty() => Applies::Maybe,
            _ => Applies::Yes,
        }
    }
}

/// Filters of the same kind replace each other.
fn kind(filter: &str) -> &str {
    match filter {
        serial if serial.starts_with("0x") => "serial",
        gpio if gpio.starts_with("gpio") => "gpio",
        other => other.split(['=', ':']).next().unwrap_or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_of_a_kind_replace_each_other_and_kinds_add_up() {
        let cm4: Vec<String> = ["pi4", "cm4"].map(str::to_owned).to_vec();
        for (filters, on_cm4, unknown) in [
            (&[][..], Applies::Yes, Applies::Yes),
            (&["pi4"], Applies::Yes, Applies::Maybe),
            (&["cm4"], Applies::Yes, Applies::Maybe),
            (&["pi5"], Applies::No, Applies::Maybe),
            (&["pi5", "cm4"], Applies::Yes, Applies::Maybe),
            (&["pi5", "all"], Applies::Yes, Applies::Yes),
            (&["none"], Applies::No, Applies::No),
            (&["tryboot", "pi4"], Applies::No, Applies::No),
            (&["gpio4=1"], Applies::Maybe, Applies::Maybe),
            (&["gpio4=1", "pi5"], Applies::No, Applies::Maybe),
            (&["EDID=x", "pi4"], Applies::Maybe, Applies::Maybe),
            (&["board-type=0x14"], Applies::Maybe, Applies::Maybe),
            (&["0x12345678", "all"], Applies::Yes, Applies::Yes),
            (&["a-filter-of-tomorrow"], Applies::Maybe, Applies::Maybe),
        ] {
            let mut condition = Condition::default();
            filters.iter().for_each(|filter| condition.set(filter));
            assert_eq!(condition.applies(Some(&cm4)), on_cm4, "{filters:?}");
            assert_eq!(condition.applies(None), unknown, "{filters:?}");
        }
        let mut condition = Condition::default();
        ["gpio4=1", "gpio2=0", "EDID=a"].iter().for_each(|filter| condition.set(filter));
        assert_eq!(condition.others, ["gpio2=0", "EDID=a"]);
    }
}
