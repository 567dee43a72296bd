"""Checks objects against the schemas of Kubernetes, and against definitions (CRDs). See docs/testing.md.

    check.py FILE    JSON: {"definitions": [YAML, ...], "objects": [{"origin": TEXT, "minor": "1.36", "text": YAML}, ...]}

Prints JSON: {"checked": NUMBER, "refused": [TEXT, ...], "unknown": [TEXT, ...]}. Unknown are kinds without a schema.

kubernetes-validate does the same for one file; here its schemas are read once for thousands of objects. What a definition says in
CEL (x-kubernetes-validations) is not looked at.
"""

import functools
import json
import sys

import jsonschema
import kubernetes_validate
import kubernetes_validate.utils as utils
import yaml

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Strict(Loader):
    """Refuses a key that is there twice, as the API server does."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:merge" and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, "the key %r is there twice" % key.value, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


# A lone "=", as in lists of operators, is a text. Dates are texts in JSON, too.
Strict.add_constructor("tag:yaml.org,2002:value", lambda loader, node: node.value)
Strict.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: node.value)


def strict(schema):
    """The schema of a definition as JSON Schema, in which only fields that it names may be there."""
    if not isinstance(schema, dict):
        return schema
    result = {}
    for key, value in schema.items():
        if key == "properties":
            result[key] = {name: strict(inner) for name, inner in value.items()}
        elif key in ("items", "additionalProperties", "not"):
            result[key] = strict(value)
        elif key in ("allOf", "anyOf", "oneOf"):
            # They only narrow down, and name no field of their own.
            result[key] = value
        elif key not in ("format", "default", "description", "example"):
            result[key] = value
    if schema.get("x-kubernetes-int-or-string"):
        result.pop("type", None)
        result.setdefault("anyOf", [{"type": "integer"}, {"type": "string"}])
    is_open = schema.get("x-kubernetes-preserve-unknown-fields") or schema.get("x-kubernetes-embedded-resource")
    has_fields = "properties" in schema or schema.get("type") == "object"
    if has_fields and "additionalProperties" not in schema and not is_open:
        result["additionalProperties"] = False
    if schema.get("nullable"):
        return {"anyOf": [{"type": "null"}, result]}
    return result


def defined(texts):
    """The validators of definitions, by apiVersion and kind."""
    found = {}
    for text in texts:
        for definition in yaml.load_all(text, Loader=Strict):
            if not definition or definition.get("kind") != "CustomResourceDefinition":
                continue
            spec = definition["spec"]
            for version in spec["versions"]:
                schema = strict(version["schema"]["openAPIV3Schema"])
                if isinstance(schema.get("properties"), dict):
                    schema["properties"].update({"apiVersion": {}, "kind": {}, "metadata": {"type": "object"}})
                name = (spec["group"] + "/" + version["name"], spec["names"]["kind"])
                # Charts of several versions may bring the same kind: what one of them takes is fine.
                found.setdefault(name, []).append(jsonschema.Draft202012Validator(schema))
    return found


def mistake(errors):
    error = jsonschema.exceptions.best_match(errors)
    return error and "%s: %s" % (".".join(str(part) for part in error.absolute_path), error.message[:300])


# kubernetes-validate reads the schemas of a minor anew for each object.
utils.schema_contents = functools.lru_cache(maxsize=None)(utils.schema_contents)


def refusal(document, minor, definitions):
    """Why an object is refused; None where it is taken. LookupError where no schema knows it."""
    name = (document.get("apiVersion"), document.get("kind"))
    if name in definitions:
        mistakes = [mistake(validator.iter_errors(document)) for validator in definitions[name]]
        return None if None in mistakes else mistakes[0]
    try:
        kubernetes_validate.validate(document, minor, strict=True)
    except kubernetes_validate.SchemaNotFoundError:
        raise LookupError("%s %s" % name)
    except kubernetes_validate.ValidationError as error:
        return "%s: %s" % (".".join(str(part) for part in error.absolute_path), error.message[:300])


def main(path):
    with open(path) as file:
        given = json.load(file)
    definitions = defined(given["definitions"])
    checked, refused, unknown = 0, [], set()
    for entry in given["objects"]:
        where = "%s, Kubernetes %s" % (entry["origin"], entry["minor"])
        try:
            documents = [document for document in yaml.load_all(entry["text"], Loader=Strict) if document]
        except yaml.YAMLError as error:
            refused.append("%s: Kubernetes refuses a document: %s" % (where, str(error).replace("\n", " ")))
            continue
        for document in documents:
            what = "%s %s" % (document.get("kind"), (document.get("metadata") or {}).get("name"))
            try:
                problem = refusal(document, entry["minor"], definitions)
            except LookupError as error:
                unknown.add(error.args[0])
                continue
            checked += 1
            if problem:
                refused.append("%s: Kubernetes refuses %s: %s" % (where, what, problem))
    json.dump({"checked": checked, "refused": refused, "unknown": sorted(unknown)}, sys.stdout)


main(sys.argv[1])
