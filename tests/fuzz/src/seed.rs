//! The seed and the state that firstboot reads on the node.

use hc_firstboot::seed::Seed;
use hc_firstboot::state;

/// See the module.
pub fn run(input: &[u8]) {
    if let Ok(state) = state::parse(input) {
        let text = serde_json::to_vec_pretty(&state).expect("a state can be written");
        assert_eq!(state::parse(&text), Ok(state));
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(seed) = Seed::parse(text) {
        let text = seed.to_toml().expect("a seed that was read can be written");
        assert_eq!(Seed::parse(&text), Ok(seed));
    }
}
