//! The references of a schema, and how much they make of it.

use std::collections::BTreeMap;

use serde_json::Value;

/// A reference: where it is and where it leads.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) pointer: String,
    pub(super) target: String,
}

/// Every reference in a schema. What only looks like one, in an example say, counts too.
pub(super) fn references(source: &Value) -> Vec<Reference> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), source)];
    while let Some((pointer, value)) = open.pop() {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let pointer = join(&pointer, name);
                    match member.as_str() {
                        Some(target) if name == "$ref" || name == "$dynamicRef" => {
                            found.push(Reference { pointer, target: target.to_owned() });
                        }
                        Some(_) | None => open.push((pointer, member)),
                    }
                }
            }
            Value::Array(elements) => {
                open.extend(elements.iter().enumerate().map(|(at, element)| (format!("{pointer}/{at}"), element)));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    found
}

/// A pointer and one member more (RFC 6901, 3).
pub(super) fn join(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// A target that stands for more than `most` schemas once its references are replaced, if there is one.
///
/// A target that leads back to itself counts once: how often it is gone round
/// is up to the value. So does one that is not a pointer.
pub(super) fn too_branching(refs: &[Reference], most: u64) -> Option<&str> {
    let mut known = BTreeMap::new();
    // The whole schema contains its definitions without applying them, so it is left out.
    let mut targets = refs.iter().map(|reference| reference.target.as_str()).filter(|target| target.starts_with("#/"));
    targets.find(|target| expansion(target, refs, &mut known) > most)
}

/// How many schemas a target stands for.
///
/// It recurses at most as deep as there are references, and their number is bounded.
fn expansion<'r>(target: &'r str, refs: &'r [Reference], known: &mut BTreeMap<&'r str, u64>) -> u64 {
    if let Some(size) = known.get(target) {
        return *size;
    }
    let Some(place) = target.strip_prefix('#').filter(|place| place.starts_with('/')) else { return 1 };
    // What is met again on the way counts once.
    known.insert(target, 1);
    let within = refs
        .iter()
        .filter(|reference| reference.pointer.strip_prefix(place).is_some_and(|deeper| deeper.starts_with('/')));
    let size = within.fold(1_u64, |size, inner| size.saturating_add(expansion(&inner.target, refs, known)));
    known.insert(target, size);
    size
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refuses(source: &Value, most: u64) -> bool {
        too_branching(&references(source), most).is_some()
    }

    #[test]
    fn a_definition_stands_for_all_that_it_leads_to() {
        let source = json!({"$ref": "#/$defs/a", "$defs": {
            "a": {"allOf": [{"$ref": "#/$defs/b"}, {"$ref": "#/$defs/b"}]},
            "b": {"properties": {"x": {"$ref": "#/$defs/c"}, "y": {"$ref": "#/$defs/c"}}},
            "c": {"type": "string"},
        }});
        // One for itself, twice b, and each b once itself and twice c.
        assert!(refuses(&source, 6) && !refuses(&source, 7));
    }

    #[test]
    fn a_definition_that_leads_back_to_itself_counts_once() {
        let tree = json!({"$ref": "#/$defs/n", "$defs": {
            "n": {"properties": {"left": {"$ref": "#/$defs/n"}, "right": {"$ref": "#/$defs/n"}}},
        }});
        assert!(!refuses(&tree, 3));
        assert!(!refuses(&json!({"allOf": [{"$ref": "#"}, {"$ref": "#name"}, {"$ref": "other"}]}), 1));
    }

    #[test]
    fn a_long_chain_is_followed_to_its_end() {
        let chain = (0..1_000).map(|at| (format!("d{at}"), json!({"$ref": format!("#/$defs/d{}", at + 1)})));
        let defs: serde_json::Map<_, _> = chain.collect();
        assert!(!refuses(&json!({"$defs": defs}), 1_001) && refuses(&json!({"$defs": defs}), 999));
    }
}
