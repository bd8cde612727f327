//! Where the operator puts things, and where they cannot be.

use insta::assert_snapshot;

use super::{read, refusal};

#[test]
fn collections_and_aliases_are_where_the_file_says() {
    let text = r#"
[aliases]
"/mostRecentTasks" = "/v1/tasks/main/processing"
"/users/{id}/newTaskForm" = "/api/v1/users/{id}/processing/form"
"/v1/dogs/{id}/bark" = "/v1/dogs/{id}/barks/last"
"/order/{id}/cancel" = "/order/{id}/canceled"
"/jobs/{job}/output" = "/v1/jobs/{job}/log"
[collections.tasks]
[collections.users]
path = "/api/v1/users"
id = "[a-z]+"
[collections.orders]
path = "/order"
[collections.dogs]
path = "/v1/dogs"
[collections.dogs.activities.barks]
editable = true
[collections.dogs.activities.naps]
editable = false
"#;
    let catalog = read(text).unwrap_or_else(|errors| panic!("{errors}")).catalog;
    let path = |name: &str| catalog.path_of(&name.parse().expect("a name")).into_owned();
    assert_eq!(["tasks", "users", "orders", "dogs"].map(path), ["/v1/tasks", "/api/v1/users", "/order", "/v1/dogs"]);
    assert_eq!(catalog.aliases.len(), 5);
    let collection = |name: &str| &catalog.collections[&name.parse().expect("a name")];
    let pattern = collection("users").id.as_ref().expect("a pattern");
    assert_eq!((pattern.as_str(), pattern.takes(&"ada1".parse().expect("an id"))), ("[a-z]+", false));
    let editable: Vec<bool> = collection("dogs").activities.iter().map(|activity| activity.editable).collect();
    assert_eq!(editable, [true, false]);
}

#[test]
fn a_collection_out_of_service_keeps_its_place_and_what_leads_there() {
    let text = r#"
[collections.dogs]
retired = true
path = "/dogs"
[collections.cats]
retired = false
[aliases]
"/rex" = "/dogs/rex"
"#;
    let catalog = read(text).unwrap_or_else(|errors| panic!("{errors}")).catalog;
    let (dogs, cats) = ("dogs".parse().expect("a name"), "cats".parse().expect("a name"));
    assert!(catalog.is_retired(&dogs) && !catalog.collections.contains_key(&dogs));
    assert!(!catalog.is_retired(&cats) && catalog.collections.contains_key(&cats));
    assert_eq!((catalog.path_of(&dogs).as_ref(), catalog.aliases.len()), ("/dogs", 1));
}

#[test]
fn what_is_said_of_a_collection_out_of_service_is_read_all_the_same() {
    let text = r#"
[collections.dogs]
retired = "yes"
[collections.cats]
retired = true
schema = "schemas/missing.json"
path = "/v1/birds"
[collections.birds]
"#;
    assert_snapshot!(refusal(text), @r"
    heeler.toml:3:11: `collections.dogs.retired`: expected true or false, found a string
    heeler.toml:6:10: `collections.cats.schema`: `/etc/heeler/schemas/missing.json` cannot be read: entity not found
    heeler.toml:7:8: `collections.cats` cannot be mounted at `/v1/birds`: that is `/v1/birds`, where the collection `birds` is
    ");
}

#[test]
fn a_collection_is_at_a_path_of_its_own() {
    let text = r#"
[collections.a]
path = "api/v1/a"
[collections.b]
path = "/b/"
[collections.c]
path = "/c?d=e"
[collections.d]
path = "/v1/{tenant}/d"
[collections.e]
path = "/v1"
[collections.f]
path = "/"
[collections.g]
path = "/healthz/g"
[collections.h]
path = "/x/../h"
[collections.i]
path = "/x//i"
[collections.j]
path = 7
[collections.k]
path = "/k%20"
"#;
    assert_snapshot!(refusal(text), @r##"
    heeler.toml:3:8: `collections.a.path`: a collection cannot be mounted at `api/v1/a`: a path starts with `/`
    heeler.toml:5:8: `collections.b.path`: a collection cannot be mounted at `/b/`: leave out the slash at the end: with and without it is the same path
    heeler.toml:7:8: `collections.c.path`: a collection cannot be mounted at `/c?d=e`: `?` cannot stand in it: expected letters, digits and any of `-._~!$&'()*+,;=:@`
    heeler.toml:9:8: `collections.d.path`: a collection cannot be mounted at `/v1/{tenant}/d`: a collection is mounted at one path, without variables
    heeler.toml:11:8: `collections.e.path`: a collection cannot be mounted at `/v1`: that is above `/v1/jobs`, which is the service's own
    heeler.toml:13:8: `collections.f.path`: a collection cannot be mounted at `/`: `/` is the service's own
    heeler.toml:15:8: `collections.g.path`: a collection cannot be mounted at `/healthz/g`: that is below `/healthz`, which is the service's own
    heeler.toml:17:8: `collections.h.path`: a collection cannot be mounted at `/x/../h`: `..` is no segment: clients take it away before they ask
    heeler.toml:19:8: `collections.i.path`: a collection cannot be mounted at `/x//i`: there is nothing between two slashes
    heeler.toml:21:8: `collections.j.path`: expected a path such as "/api/v1/users", found an integer
    heeler.toml:23:8: `collections.k.path`: a collection cannot be mounted at `/k%20`: `%` cannot stand in it: expected letters, digits and any of `-._~!$&'()*+,;=:@`
    "##);
}

#[test]
fn no_collection_is_in_the_way_of_another() {
    let text = r#"
[collections.dogs]
[collections.cats]
path = "/v1/dogs"
[collections.puppies]
path = "/v1/dogs/young"
[collections.birds]
path = "/birds/wild"
[collections.fish]
path = "/birds"
[collections.mice]
path = "/v1/rats"
[collections.rats]
"#;
    assert_snapshot!(refusal(text), @r##"
    heeler.toml:4:8: `collections.cats` cannot be mounted at `/v1/dogs`: that is `/v1/dogs`, where the collection `dogs` is
    heeler.toml:6:8: `collections.puppies` cannot be mounted at `/v1/dogs/young`: that is below `/v1/dogs`, where the collection `cats` is
    heeler.toml:6:8: `collections.puppies` cannot be mounted at `/v1/dogs/young`: that is below `/v1/dogs`, where the collection `dogs` is
    heeler.toml:10:8: `collections.fish` cannot be mounted at `/birds`: that is above `/birds/wild`, where the collection `birds` is
    heeler.toml:12:8: `collections.mice` cannot be mounted at `/v1/rats`: that is `/v1/rats`, where the collection `rats` is
    "##);
}

#[test]
fn an_id_pattern_is_one() {
    let text = "[collections.a]\nid = \"[\"\n[collections.b]\nid = \"a)(?:b\"\n[collections.c]\nid = 1\n";
    assert_snapshot!(refusal(text), @r##"
    heeler.toml:2:6: `collections.a.id`: `/pattern`: "[" is not a "regex"
    heeler.toml:4:6: `collections.b.id`: `/pattern`: "a)(?:b" is not a "regex"
    heeler.toml:6:6: `collections.c.id`: expected a pattern such as "[0-9]+", found an integer
    "##);
}

#[test]
fn an_alias_leads_to_something_and_hides_nothing() {
    let text = r#"
[collections.tasks]
[collections.dogs.activities.barks]
[aliases]
"relative" = "/v1/tasks"
"/a/{x" = "/v1/tasks"
"/b" = "v1/tasks"
"/c" = 7
"/d/{id}" = "/v1/tasks"
"/e" = "/v1/tasks/{id}"
"/f/{id}/{id}" = "/v1/tasks/{id}"
"/g" = "/v1/tusks/main"
"/h" = "/v1/dogs/7/barks/first"
"/i" = "/v1/tasks?limit=1"
"/v1/tasks" = "/v1/dogs"
"/v1/dogs/{id}/barks" = "/v1/tasks/{id}"
"/v1/dogs/{id}/status" = "/v1/tasks/{id}"
"/v1/jobs/latest" = "/v1/tasks"
"/{word}" = "/v1/tasks/{word}"
"/j/{id}" = "/v1/tasks/{id}"
"/j/main" = "/v1/tasks/main/processing"
"/k" = "/j/main"
"#;
    assert_snapshot!(refusal(text), @r##"
    heeler.toml:5:1: the alias `relative`: a path starts with `/`
    heeler.toml:6:1: the alias `/a/{x`: `{x` is no segment: a variable is a whole one, such as `{id}`
    heeler.toml:7:8: the alias `/b` stands for `v1/tasks`: a path starts with `/`
    heeler.toml:8:8: `aliases./c`: expected the path that the alias stands for, found an integer
    heeler.toml:9:13: the alias `/d/{id}`: `/v1/tasks` is an alias itself: name what that one stands for
    heeler.toml:9:13: the alias `/d/{id}`: `{id}` is not in the target, so that many paths would be one thing
    heeler.toml:10:8: the alias `/e`: `{id}` is not in the path, so that nobody can say what it stands for
    heeler.toml:11:18: the alias `/f/{id}/{id}`: `{id}` occurs twice in the path
    heeler.toml:12:8: the alias `/g`: there is nothing at `/v1/tusks/main`: the collections are at `/v1/dogs`, `/v1/tasks`
    heeler.toml:13:8: the alias `/h`: there is nothing at `/v1/dogs/7/barks/first`
    heeler.toml:14:8: the alias `/i` stands for `/v1/tasks?limit=1`: `?` cannot stand in it: expected letters, digits and any of `-._~!$&'()*+,;=:@`
    heeler.toml:15:1: the alias `/v1/tasks`: it would hide something: the collection `tasks` has `/v1/tasks`, and below each resource its activities and `id`, `_links` and its status
    heeler.toml:16:1: the alias `/v1/dogs/{id}/barks`: it would hide something: the collection `dogs` has `/v1/dogs`, and below each resource its activities and `id`, `_links` and its status
    heeler.toml:17:1: the alias `/v1/dogs/{id}/status`: it would hide something: the collection `dogs` has `/v1/dogs`, and below each resource its activities and `id`, `_links` and its status
    heeler.toml:18:1: the alias `/v1/jobs/latest`: it would hide something: `/v1/jobs` and what is below it is the service's own
    heeler.toml:18:21: the alias `/v1/jobs/latest`: `/v1/tasks` is an alias itself: name what that one stands for
    heeler.toml:19:1: the alias `/{word}`: a path can fit both this one and `/e`
    heeler.toml:19:1: the alias `/{word}`: it would hide something: `/healthz` and what is below it is the service's own
    heeler.toml:21:1: the alias `/j/main`: a path can fit both this one and `/j/{id}`
    heeler.toml:22:1: the alias `/k`: a path can fit both this one and `/{word}`
    heeler.toml:22:8: the alias `/k`: `/j/{id}` is an alias itself: name what that one stands for
    "##);
}

#[test]
fn what_is_wrong_with_a_collection_is_not_blamed_on_an_alias() {
    let text = "[collections.a]\npath = \"a\"\n[aliases]\n\"/x\" = \"/a/main\"\n";
    assert_snapshot!(refusal(text), @"heeler.toml:2:8: `collections.a.path`: a collection cannot be mounted at `a`: a path starts with `/`");
}
