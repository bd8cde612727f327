//! Finds the paths in a piece of Rust, without understanding the rest.

/// A path such as `std::time::Instant`, and the line it starts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) line: usize,
    pub(super) segments: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Colons,
    Sign(char),
}

/// The text with comments and literals blanked, line for line.
pub(super) fn code_of(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_or_comment(&chars, at);
        if end > at {
            code.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        } else {
            code.push(chars[at]);
            at += 1;
        }
    }
    code
}

/// Where the comment or literal that starts here ends; here, if none does.
fn literal_or_comment(chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    let before = at.checked_sub(1).map(|before| chars[before]);
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    match rest {
        ['/', '/', ..] => at + rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => at + block_comment(rest),
        ['"', ..] => at + 1 + string(&rest[1..]),
        ['r', '"' | '#', ..] if !in_word => at + raw_string(rest),
        ['\'', '\\', ..] => at + 3 + rest[3..].iter().position(|c| *c == '\'').map_or(0, |end| end + 1),
        ['\'', _, '\'', ..] => at + 3,
        _ => at,
    }
}

fn block_comment(rest: &[char]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string(rest: &[char]) -> usize {
    let mut at = 0;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string(rest: &[char]) -> usize {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return 0;
    }
    let start = 2 + hashes;
    let is_end =
        |at: &usize| rest[*at] == '"' && rest[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
    (start..rest.len()).find(is_end).map_or(rest.len(), |end| end + 1 + hashes)
}

/// Every word that stands alone in the code, with its line.
pub(super) fn words(code: &str) -> impl Iterator<Item = (usize, String)> {
    tokens(code).into_iter().filter_map(|(line, token)| match token {
        Token::Word(word) => Some((line, word)),
        Token::Colons | Token::Sign(_) => None,
    })
}

/// Every path of at least two segments, and whatever `use` names.
pub(super) fn paths(code: &str) -> Vec<Path> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let used = matches!(&tokens[at].1, Token::Word(word) if word == "use");
        let start = if used { at + 1 } else { at };
        // `::crate_name` starts a path, too.
        let start = if tokens.get(start).is_some_and(|(_, token)| *token == Token::Colons) { start + 1 } else { start };
        let from = found.len();
        let end = path(&tokens, start, &[], &mut found);
        if !used {
            let rest = found.split_off(from);
            found.extend(rest.into_iter().filter(|path: &Path| path.segments.len() > 1));
        }
        at = end.max(at + 1);
    }
    found
}

/// Reads one path, its groups expanded, from here on; says where it ends.
fn path(tokens: &[(usize, Token)], at: usize, prefix: &[String], found: &mut Vec<Path>) -> usize {
    let mut segments = prefix.to_vec();
    let mut at = at;
    let line = tokens.get(at).map_or(0, |(line, _)| *line);
    loop {
        match tokens.get(at).map(|(_, token)| token) {
            Some(Token::Word(word)) => {
                segments.push(word.clone());
                at += 1;
            }
            Some(Token::Sign('{')) if !segments.is_empty() => return group(tokens, at + 1, &segments, found),
            Some(Token::Colons | Token::Sign(_)) | None => break,
        }
        if tokens.get(at).is_some_and(|(_, token)| *token == Token::Colons) {
            at += 1;
        } else {
            break;
        }
    }
    if segments.len() > prefix.len() {
        found.push(Path { line, segments });
    }
    at
}

/// Reads the paths of a group up to its end.
fn group(tokens: &[(usize, Token)], at: usize, prefix: &[String], found: &mut Vec<Path>) -> usize {
    let mut at = at;
    loop {
        match tokens.get(at).map(|(_, token)| token) {
            Some(Token::Sign('}')) => return at + 1,
            Some(Token::Word(_)) => at = path(tokens, at, prefix, found),
            Some(Token::Colons | Token::Sign(_)) => at += 1,
            None => return at,
        }
    }
}

fn tokens(code: &str) -> Vec<(usize, Token)> {
    let mut tokens = Vec::new();
    for (number, line) in (1..).zip(code.lines()) {
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let (token, length) = if word > 0 {
                (Token::Word(rest[..word].to_owned()), word)
            } else if rest.starts_with("::") {
                (Token::Colons, 2)
            } else {
                (Token::Sign(first), first.len_utf8())
            };
            if !first.is_whitespace() {
                tokens.push((number, token));
            }
            rest = &rest[length..];
        }
    }
    tokens
}
