//! What the controller says: JSON, of a stranger's making.

use serde::Deserialize;

/// What the controller does for a flash, as `opt=get&type=flash` tells.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) enum Job {
    /// Nothing, since it was started.
    Ready,
    /// A job is under way. It has one at a time.
    Transferring {
        /// The handle of the job.
        id: u64,
        /// What it calls it.
        #[serde(default)]
        process_name: String,
        /// Bytes that the module has.
        bytes_written: u64,
    },
    /// The last one is over: its duration, and its bytes.
    Done(serde_json::Value, u64),
    /// The last one failed.
    Error(String),
}

/// The answer to `opt=set&type=flash`.
#[derive(Debug, Deserialize)]
pub(super) struct Started {
    /// The handle of the job.
    pub(super) handle: u64,
}

/// The answer to a login.
#[derive(Deserialize)]
pub(super) struct Session {
    /// The token.
    pub(super) id: String,
}

/// The text in an error: `{"response":["..."]}` or one with a `result`; else the text itself.
pub(super) fn message(body: &str) -> String {
    let json: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let first = json.as_ref().and_then(|json| json.get("response")).map(|said| said.get(0).unwrap_or(said));
    let said = first.map(|first| first.get("result").unwrap_or(first));
    let text = said.and_then(|said| said.as_str()).unwrap_or(body);
    text.chars().take(400).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_read_as_bmcd_writes_them() {
        let read = |text: &str| serde_json::from_str::<Job>(text);
        assert_eq!(read(r#""Ready""#).unwrap(), Job::Ready);
        let under_way = r#"{"Transferring":{"id":7,"process_name":"Node 1 os install service","size":9,"cancelled":false,"bytes_written":3}}"#;
        let expected = Job::Transferring {
            id: 7,
            process_name: "Node 1 os install service".to_owned(),
            bytes_written: 3,
        };
        assert_eq!(read(under_way).unwrap(), expected);
        assert!(matches!(read(r#"{"Done":[{"secs":1,"nanos":2},9]}"#).unwrap(), Job::Done(_, 9)));
        assert_eq!(read(r#"{"Error":"Send timeout"}"#).unwrap(), Job::Error("Send timeout".to_owned()));
        for bad in ["", "{}", r#"{"Transferring":{}}"#, r#""Other""#] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_text_of_an_error_is_found() {
        assert_eq!(message(r#"{"response":["no module"]}"#), "no module");
        assert_eq!(message(r#"{"response":[{"result":"no module"}]}"#), "no module");
        assert_eq!(message("Exceeded"), "Exceeded");
        assert_eq!(message(&"x".repeat(9000)).len(), 400);
    }
}
