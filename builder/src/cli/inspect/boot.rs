//! The way from the boot loader to the root, a line for each step.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::os::{BootStep, Facts, Leads, Wait, boot_chain, waits};

/// What the chain comes to.
fn verdict(steps: &[BootStep]) -> &'static str {
    let has = |is: fn(&Leads) -> bool| steps.iter().any(|step| is(&step.leads));
    if has(|leads| matches!(leads, Leads::Nowhere(_))) {
        "no: it leads out of this image"
    } else if has(|leads| matches!(leads, Leads::Unsure(_))) {
        "depends on the board"
    } else {
        "yes"
    }
}

/// All steps, and then what the system would wait for.
fn steps(facts: &Facts) -> (Vec<BootStep>, Vec<BootStep>) {
    (boot_chain(facts, None), waits(facts).into_iter().map(|Wait { step, .. }| step).collect())
}

pub(super) fn text(facts: &Facts) -> String {
    let (chain, waits) = steps(facts);
    let mut text = format!("{:13} {}\n", "boots", verdict(&chain));
    for step in chain.iter().chain(&waits) {
        let mark = match step.leads {
            Leads::To(_) => " ",
            Leads::Unsure(_) => "?",
            Leads::Nowhere(_) => "!",
        };
        let _ = writeln!(text, "{mark} {:11} {step}", step.what);
    }
    text
}

pub(super) fn json(facts: &Facts) -> Value {
    let (chain, waits) = steps(facts);
    let shown = |step: &BootStep| {
        let (result, leads_to, fault) = match &step.leads {
            Leads::To(target) => ("ok", Some(target), None),
            Leads::Unsure(fault) => ("unsure", None, Some(fault)),
            Leads::Nowhere(fault) => ("nowhere", None, Some(fault)),
        };
        json!({
            "for": step.what,
            "place": step.place,
            "says": step.says,
            "result": result,
            "leads_to": leads_to,
            "cause": fault.map(|fault| &fault.cause),
            "hint": fault.map(|fault| &fault.hint),
        })
    };
    let list = |steps: &[BootStep]| steps.iter().map(shown).collect::<Vec<_>>();
    json!({
        "boots": !chain.iter().any(|step| matches!(step.leads, Leads::Nowhere(_))),
        "chain": list(&chain),
        "waits_for": list(&waits),
    })
}
