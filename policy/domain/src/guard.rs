//! How a request offends the no-funds guard (design.md section 3): each way has one word in journal, list and label.

use crate::Clause;
use serde::{Deserialize, Serialize};

/// What is wrong with a request that the guard refuses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Breach {
    /// A call that is not on the list.
    Operation,
    /// A call or field that would move, split or hold back money.
    Funds,
    /// A body field or parameter outside the allow-list.
    Field,
    /// A field of the list with a value that it cannot have, or one that is missing.
    Value,
    /// A payee or account that is not the caller's own.
    Payee,
    /// What could be read in two ways: names that stand twice, odd encodings, entities, a query beside the body.
    Form,
}

impl Breach {
    /// Every one.
    pub const ALL: [Breach; 6] = [
        Breach::Operation,
        Breach::Funds,
        Breach::Field,
        Breach::Value,
        Breach::Payee,
        Breach::Form,
    ];

    /// The word in journal, list and label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Breach::Operation => "operation",
            Breach::Funds => "funds",
            Breach::Field => "field",
            Breach::Value => "value",
            Breach::Payee => "payee",
            Breach::Form => "form",
        }
    }

    /// The control that refuses it: operations and what moves money C02, fields C21, payees C03, one reading C80.
    //= C02
    //= C03
    //= C21
    //= C80
    pub const fn clause(self) -> Clause {
        Clause::control(match self {
            Breach::Operation | Breach::Funds => 2,
            Breach::Field | Breach::Value => 21,
            Breach::Payee => 3,
            Breach::Form => 80,
        })
    }
}

/// Stands for the name of a field or call that we do not know: a stranger's words are not repeated.
pub const UNLISTED: &str = "unlisted";
