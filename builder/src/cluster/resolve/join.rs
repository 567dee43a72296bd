//! What a cluster that exists is joined with.

use crate::cluster::field::{Field, Span};
use crate::cluster::field_type::SecretSource;
use crate::cluster::file::JoinTable;
use crate::cluster::model::ExistingCluster;
use crate::secrets::{Credentials, OwnTokens};
use crate::value::{CaHash, JoinToken, TokenPassword, TokenUser};

use super::read::Reader;

/// `servers` says whether any node is a server.
pub(super) fn existing(
    table: JoinTable,
    servers: bool,
    reader: &mut Reader<'_, '_>,
) -> Option<ExistingCluster> {
    let token = read(table.token, reader);
    let agent_token = read(table.agent_token, reader);
    let of_table = table.ca_hash.map(|field| (field.value, field.span));
    let of_tokens = [&token, &agent_token].into_iter().flatten();
    let of_tokens = of_tokens.filter_map(|(token, span)| Some((token.ca_hash.clone()?, span.clone())));
    let hashes: Vec<(CaHash, Span)> = of_table.into_iter().chain(of_tokens).collect();
    let (token, span) = token?;
    if let Some((first, _)) = hashes.first() {
        for (_, span) in hashes.iter().filter(|(hash, _)| hash != first) {
            let hint = "use the tokens and the hash of one cluster";
            reader.problems.error(span, "the hashes of the CA in [join] differ", hint);
        }
    } else if reader.problems.is_whole() {
        // Otherwise `ca-hash` may be there, and invalid.
        reader.problems.error(
            &span,
            "this token has no hash of the cluster's CA, by which nodes recognize the cluster",
            "use the text of /var/lib/rancher/k3s/server/node-token, which begins with K10, or add `ca-hash`",
        );
    }
    if servers && token.user == Some(TokenUser::Node) {
        let hint = "use the text of server/node-token; the agents' token goes into `agent-token`";
        reader.problems.error(&span, "this is a token for agents, but the file has a server", hint);
    }
    if let Some((_, span)) = agent_token.as_ref().filter(|(token, _)| token.user == Some(TokenUser::Server)) {
        let hint = "use the text of server/agent-token, or remove the key";
        reader.problems.error(span, "this is a token for servers", hint);
    }
    Some(ExistingCluster {
        server: table.server?.value,
        credentials: Credentials {
            ca_hash: hashes.into_iter().next()?.0,
            token: token.password,
            agent_token: agent_token.map(|(token, _)| token.password),
        },
    })
}

fn read(
    field: Option<Field<SecretSource<JoinToken>>>,
    reader: &mut Reader<'_, '_>,
) -> Option<(JoinToken, Span)> {
    let field = field?;
    let span = field.span.clone();
    Some((reader.secret(field)?, span))
}

/// Tokens that the user chose for a new cluster.
pub(super) fn own_tokens(
    server: Option<Field<SecretSource<TokenPassword>>>,
    agent: Option<Field<SecretSource<TokenPassword>>>,
    reader: &mut Reader<'_, '_>,
) -> OwnTokens {
    let span = agent.as_ref().map(|field| field.span.clone());
    let mut token = |field: Option<Field<SecretSource<TokenPassword>>>| {
        Some(reader.secret::<TokenPassword>(field?)?.secret().clone())
    };
    let (server, agent) = (token(server), token(agent));
    if let Some(span) = span.filter(|_| server.is_some() && server == agent) {
        let hint = "use two tokens: whoever has the servers' token can do everything in the cluster";
        reader.problems.error(&span, "`agent-token` is the same as `token`", hint);
    }
    OwnTokens { server, agent }
}
