# SPDX-License-Identifier: Apache-2.0
"""The part of JSON Schema that OpenAPI 3.0 documents of ours use. A word that is not understood is an error, so that
nothing in a schema goes unchecked."""

import math
import re

IGNORED = {"description", "example", "default", "discriminator", "format"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool}
KNOWN = IGNORED | {"$ref", "type", "nullable", "enum", "properties", "required", "items", "minimum", "maximum", "minLength", "maxLength",
                   "pattern", "oneOf", "anyOf", "allOf"}


class Flaw(Exception):
    pass


class Schemas:
    def __init__(self, document):
        self.document = document

    def resolve(self, thing):
        """What a $ref stands for."""
        while "$ref" in thing:
            target = self.document
            for step in thing["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            thing = target
        return thing

    def check(self, value, schema, where="$", exact=True):
        """Raises Flaw. `exact`: members that the schema does not name are flaws too."""
        schema = self.resolve(schema)
        unknown = schema.keys() - KNOWN
        if unknown:
            raise Flaw(f"{where}: the schema has {sorted(unknown)}, which this check does not understand")
        if value is None and schema.get("nullable"):
            return
        if "enum" in schema and value not in schema["enum"]:
            raise Flaw(f"{where}: {value!r} is none of {schema['enum']}")
        self._check_choice(value, schema, where, exact)
        self._check_type(value, schema.get("type"), where)
        if isinstance(value, str):
            self._check_text(value, schema, where)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            if not schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf):
                raise Flaw(f"{where}: {value} is out of bounds")
        elif isinstance(value, list):
            for i, item in enumerate(value):
                self.check(item, schema.get("items", {}), f"{where}[{i}]", exact)
        elif isinstance(value, dict) and "properties" in schema:
            self._check_members(value, schema, where, exact)

    def _check_choice(self, value, schema, where, exact):
        for part in schema.get("allOf", []):
            self.check(value, part, where, exact)
        for kind in ("oneOf", "anyOf"):
            if kind not in schema:
                continue
            fits, flaws = 0, []
            for part in schema[kind]:
                try:
                    self.check(value, part, where, exact)
                    fits += 1
                except Flaw as flaw:
                    flaws.append(str(flaw))
            if fits == 0 or (kind == "oneOf" and fits != 1):
                raise Flaw(f"{where}: {fits} of {kind} fit: {'; '.join(flaws)}")

    @staticmethod
    def _check_type(value, kind, where):
        if kind is None:
            return
        if kind in ("integer", "number"):
            fits = isinstance(value, int if kind == "integer" else (int, float)) and not isinstance(value, bool)
        else:
            fits = isinstance(value, TYPES[kind])
        if not fits:
            raise Flaw(f"{where}: {value!r} is no {kind}")

    @staticmethod
    def _check_text(value, schema, where):
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", math.inf):
            raise Flaw(f"{where}: a text of {len(value)} characters")
        if "pattern" in schema and not re.search(schema["pattern"], value):
            raise Flaw(f"{where}: {value!r} does not look like {schema['pattern']}")

    def _check_members(self, value, schema, where, exact):
        missing = [member for member in schema.get("required", []) if member not in value]
        if missing:
            raise Flaw(f"{where}: {missing} are missing")
        for member, item in value.items():
            if member in schema["properties"]:
                self.check(item, schema["properties"][member], f"{where}.{member}", exact)
            elif exact:
                raise Flaw(f"{where}: {member} is not described")
