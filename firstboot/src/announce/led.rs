//! The board's own LED: it blinks slowly while the node works, fast where it has stopped, and has its own work back afterwards.
//!
//! The kernel blinks it (trigger `timer`), so that it goes on when this program cannot. Which phase it is nobody could count: the
//! boot loader of a Pi has counted flashes already, with other meanings.

use std::io;
use std::path::Path;

use super::files::{self, RUN_DIR};
use crate::sys::System;

const LEDS: &str = "/sys/class/leds";

/// The LED beside the card's slot by its names in kernels from 6.1 and before, then the power LED's. Others, such as those of a
/// keyboard or a network port, mean something to their users.
const NAMES: [&str; 4] = ["ACT", "led0", "PWR", "led1"];

/// Which LED was taken, and what it did before: its name, trigger and brightness, one a line.
const SAVED: &str = "/run/hcimage/led";

/// What the LED says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// The first boot is under way: a second on, a second off.
    Working,
    /// It has stopped: two and a half flashes a second, all alike. A card's activity is never regular, and below three flashes a
    /// second nobody is harmed (WCAG 2.3.1).
    Stopped,
}

impl Signal {
    /// How long it is on, and off, in milliseconds.
    fn delay(self) -> &'static str {
        match self {
            Self::Working => "1000",
            Self::Stopped => "200",
        }
    }
}

/// Has the LED blink. `false` where the board has none that can.
pub(super) fn blink(sys: &dyn System, signal: Signal) -> io::Result<bool> {
    let Some(name) = taken(sys).or_else(|| find(sys)) else { return Ok(false) };
    let triggers = read(sys, &name, "trigger")?;
    let Some(active) = active(&triggers).filter(|_| has(&triggers, "timer")) else { return Ok(false) };
    // One that was taken before, by a start that was killed, has its own work saved already.
    if taken(sys).is_none() {
        sys.make_dirs(Path::new(RUN_DIR))?;
        let brightness = read(sys, &name, "brightness")?;
        files::replace(sys, SAVED, &format!("{name}\n{active}\n{}\n", brightness.trim()))?;
    }
    if active != "timer" {
        write(sys, &name, "trigger", "timer")?;
    }
    for file in ["delay_on", "delay_off"] {
        write(sys, &name, file, signal.delay())?;
    }
    Ok(true)
}

/// Gives the LED back its own work, if it was taken.
pub(super) fn restore(sys: &dyn System) -> io::Result<()> {
    let Ok(saved) = sys.read(Path::new(SAVED)) else { return Ok(()) };
    let saved = String::from_utf8_lossy(&saved).into_owned();
    let mut lines = saved.lines();
    if let (Some(name), Some(trigger)) = (lines.next().filter(|name| NAMES.contains(name)), lines.next()) {
        write(sys, name, "trigger", trigger)?;
        // Without a trigger the LED keeps what the last one left.
        if let Some(brightness) = lines.next().filter(|_| trigger == "none") {
            write(sys, name, "brightness", brightness)?;
        }
    }
    files::remove(sys, SAVED).map(drop)
}

/// The LED that was taken.
fn taken(sys: &dyn System) -> Option<String> {
    let saved = sys.read(Path::new(SAVED)).ok()?;
    let name = String::from_utf8_lossy(&saved).lines().next()?.to_owned();
    NAMES.contains(&name.as_str()).then_some(name)
}

fn find(sys: &dyn System) -> Option<String> {
    let there = sys.list(Path::new(LEDS)).ok()?;
    NAMES.iter().find(|name| there.iter().any(|led| led == *name)).map(|name| (*name).to_owned())
}

/// The word in brackets: `none [mmc0] timer`.
fn active(triggers: &str) -> Option<String> {
    let word = triggers.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    word.map(str::to_owned)
}

fn has(triggers: &str, name: &str) -> bool {
    triggers.split_whitespace().any(|word| word.trim_matches(['[', ']']) == name)
}

fn read(sys: &dyn System, led: &str, file: &str) -> io::Result<String> {
    let bytes = sys.read(&Path::new(LEDS).join(led).join(file))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn write(sys: &dyn System, led: &str, file: &str, text: &str) -> io::Result<()> {
    sys.write(&Path::new(LEDS).join(led).join(file), text.as_bytes(), 0o644)
}

#[cfg(test)]
mod tests {
    use super::super::testkit::Played;
    use super::*;

    const TRIGGERS: &str = "none rc-feedback kbd-scrolllock usb-gadget timer oneshot heartbeat cpu input default-on panic actpwr";

    fn with_led(name: &str, active: &str) -> Played {
        let machine = Played::new();
        machine.led("input3::capslock", &format!("[none] {TRIGGERS}"), "0");
        machine.led(name, &format!("[{active}] {TRIGGERS} mmc0"), "255");
        machine
    }

    #[test]
    fn it_blinks_slowly_then_fast_and_has_its_trigger_back() {
        for (name, trigger) in [("ACT", "mmc0"), ("led0", "mmc0"), ("PWR", "default-on"), ("led1", "input")] {
            let machine = with_led(name, trigger);
            assert!(blink(&machine, Signal::Working).unwrap());
            assert_eq!(machine.blinks(name), Some((1000, 1000)));
            assert!(blink(&machine, Signal::Stopped).unwrap());
            assert_eq!(machine.blinks(name), Some((200, 200)));
            restore(&machine).unwrap();
            assert_eq!((machine.trigger(name), machine.blinks(name)), (trigger.to_owned(), None));
            restore(&machine).unwrap();
        }
    }

    #[test]
    fn after_a_start_that_was_killed_the_first_trigger_is_the_one_that_comes_back() {
        let machine = with_led("ACT", "mmc0");
        blink(&machine, Signal::Working).unwrap();
        // Another start finds `timer`.
        blink(&machine, Signal::Working).unwrap();
        restore(&machine).unwrap();
        assert_eq!(machine.trigger("ACT"), "mmc0");
    }

    #[test]
    fn an_led_without_a_trigger_has_its_brightness_back() {
        let machine = with_led("ACT", "none");
        blink(&machine, Signal::Working).unwrap();
        restore(&machine).unwrap();
        assert_eq!(
            (machine.trigger("ACT"), machine.text("/sys/class/leds/ACT/brightness")),
            ("none".to_owned(), "255".to_owned())
        );
    }

    #[test]
    fn a_board_without_its_own_led_or_without_the_trigger_is_left_alone() {
        let machine = Played::new();
        assert!(!blink(&machine, Signal::Working).unwrap());
        machine.led("input3::capslock", &format!("[none] {TRIGGERS}"), "0");
        assert!(!blink(&machine, Signal::Working).unwrap());
        machine.led("ACT", "none [mmc0]", "0");
        assert!(!blink(&machine, Signal::Working).unwrap());
        assert_eq!(machine.trigger("ACT"), "mmc0");
        restore(&machine).unwrap();
    }
}
