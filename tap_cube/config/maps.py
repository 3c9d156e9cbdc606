"""Stream maps: each mistake with the stream and the column where it is."""

from __future__ import annotations

import ast
import difflib
import fnmatch
from typing import TYPE_CHECKING, Any

import msgspec
import simpleeval  # type: ignore[import-untyped]
from singer_sdk.exceptions import ConfigurationError, MapExpressionError, StreamMapConfigError
from singer_sdk.mapper import CustomStreamMap, PluginMapper
from singer_sdk.singerlib import Catalog

from tap_cube.compat import override
from tap_cube.config.misspelt import meant
from tap_cube.config.values import is_unicode

if TYPE_CHECKING:
    import logging
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

#: Types of values of expressions that any column can hold.
_COMMON = (str, int, float)
_REMOVED = (None, "__NULL__")
_OPERATORS = {"__alias__", "__else__", "__filter__", "__key_properties__", "__source__"}
#: Operators whose values are no expressions.
_NO_EXPRESSIONS = {"__key_properties__", "__source__"}


def check_else(maps: object) -> None:
    """Check all `__else__`, which the schema of the SDK cannot: a wrong value breaks the validator.

    Args:
        maps: The setting `stream_maps`, which may have any form.

    Raises:
        ConfigurationError: If one is neither null nor `__NULL__`.
    """
    if not isinstance(maps, dict):
        return
    for place, one in {"": maps, **{f".{stream}": one for stream, one in maps.items()}}.items():
        if isinstance(one, dict) and one.get("__else__") not in _REMOVED:
            msg = f'Setting `stream_maps{place}.__else__` must be null or "__NULL__"'
            raise ConfigurationError(msg)


def stripped(maps: Mapping[str, Any]) -> dict[str, Any]:
    """Return stream maps without blanks around expressions, which the SDK refuses."""
    return {
        stream: {
            name: value.strip() if isinstance(value, str) else value
            for name, value in definition.items()
        }
        if isinstance(definition, dict)
        else definition
        for stream, definition in maps.items()
    }


def check(config: Mapping[str, Any]) -> None:
    """Check what can be known of stream maps before there is a record.

    Args:
        config: Settings that are valid by their schema.

    Raises:
        ConfigurationError: With one sentence that names the place. It quotes no expression, which
            may hold a salt.
    """
    for stream, definition in config.get("stream_maps", {}).items():
        place = f"stream_maps.{stream}"
        if stream.startswith("__"):
            _check_operator(place, stream, {"__else__"})
        if isinstance(definition, dict) and definition.keys() >= {"__source__", "__alias__"}:
            msg = (
                f"Setting `{place}` has `__source__`, so `{stream}` is the name: remove `__alias__`"
            )
            raise ConfigurationError(msg)
        for name, value in definition.items() if isinstance(definition, dict) else ():
            _check_member(f"{place}.{name}", name, value, config.get("stream_map_config", {}))


def unknown_streams(config: Mapping[str, Any], streams: Collection[str]) -> list[str]:
    """Return a warning for each stream or pattern that maps name, but that is no stream's."""
    maps = config.get("stream_maps")
    if not isinstance(maps, dict):
        return []
    sources = (_source(name, maps[name]) for name in maps if name != "__else__")
    return [
        f"There is no stream `{name}`, which `stream_maps` names{meant(name, streams)}"
        for name in sources
        if not fnmatch.filter(streams, name)
    ]


class Mapper(PluginMapper):
    """The SDK's mapper, with errors that name stream and column.

    Args:
        config: The settings.
        logger: Where useless definitions are reported.
        streams: The names of the tap's streams.
    """

    def __init__(
        self, config: Mapping[str, Any], logger: logging.Logger, streams: Collection[str]
    ) -> None:
        # The SDK takes `__else__` out of the maps
        maps = dict(config.get("stream_maps", {}))
        super().__init__(plugin_config={**config, "stream_maps": maps}, logger=logger)
        self._streams = streams
        self._warned: set[str] = set()

    @override
    def register_raw_streams_from_catalog(self, catalog: Catalog) -> None:
        """Register the selected streams. Of others the SDK knows no column, nor a key."""
        selected = Catalog()
        for entry in catalog.streams:
            if entry.tap_stream_id in self._streams and entry.metadata.resolve_selection()[()]:
                selected.add_stream(entry)
        super().register_raw_streams_from_catalog(selected)

    @override
    def register_raw_stream_schema(
        self, stream_name: str, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        places = dict(self._members(stream_name))
        for place, (name, value) in places.items():
            if value in _REMOVED and name not in _OPERATORS and place not in self._warned:
                self._warn_unless_known(place, name, schema["properties"])
        try:
            super().register_raw_stream_schema(stream_name, schema, key_properties)
        except Exception as error:
            problem = self._problem(error, stream_name, key_properties or ())
            if problem is None:
                raise
            raise ConfigurationError(problem) from error
        expressions = {value: place for place, (_, value) in places.items()}
        for one in self.stream_maps[stream_name]:
            if not isinstance(one.stream_alias, str):
                raise ConfigurationError(self._no_alias)
            if isinstance(one, CustomStreamMap) and not isinstance(one.expr_evaluator, _Evaluator):
                one.expr_evaluator = _Evaluator(one.expr_evaluator, expressions)

    def _problem(self, error: Exception, stream: str, keys: Sequence[str]) -> str | None:
        """Return why the SDK refuses the maps of a stream; `None` if they are not the cause."""
        match error:
            case StreamMapConfigError():
                return (
                    f"Setting `stream_maps`: `{stream}` would lack a column of its key: keep "
                    f"{', '.join(keys)}, or name the columns of another key in `__key_properties__`"
                )
            case MapExpressionError() | TypeError():
                return self._no_alias
            case ValueError():
                return (
                    f"Setting `flattening_max_key_length`: two columns of `{stream}` get the same "
                    "name: make it larger, or remove it"
                )
            case AttributeError() | ImportError() if self.faker_config:
                return "Setting `faker_config.locale` must be one that Faker has, such as nb_NO"
        return None

    @property
    def _no_alias(self) -> str:
        # The SDK evaluates all of them for each stream
        aliases = [
            f"`stream_maps.{key}.__alias__`"
            for key, definition in self.stream_maps_dict.items()
            if isinstance(definition, dict) and "__alias__" in definition
        ]
        return f"Setting {' or '.join(aliases)} is not the name of a stream"

    def _members(self, stream: str) -> Iterator[tuple[str, tuple[str, str | None]]]:
        """Yield what the maps of a stream say of its columns: place, name and value."""
        for key, definition in self.stream_maps_dict.items():
            if isinstance(definition, dict) and fnmatch.fnmatch(stream, _source(key, definition)):
                for name, value in definition.items():
                    if name not in _OPERATORS - {"__filter__"}:
                        yield f"stream_maps.{key}.{name}", (name, value)

    def _warn_unless_known(self, place: str, name: str, columns: Iterable[str]) -> None:
        self._warned.add(place)
        # A pattern names several streams, of which some may lack the column
        if name not in columns and not any(sign in place for sign in "*?["):
            self.logger.warning(
                "`%s` removes a column that the stream lacks, or that is deselected%s",
                place,
                meant(name, columns),
            )


class _Evaluator:
    """An evaluator of the SDK whose errors name the place of the expression.

    Attributes:
        names: What the expressions may use.
    """

    def __init__(self, evaluator: Any, places: Mapping[str | None, str]) -> None:
        self._evaluator = evaluator
        self._places = places
        self.names: Mapping[str, Any] = {}

    def eval(self, expr: str, previously_parsed: ast.Expr) -> Any:
        """Return the value of an expression."""
        self._evaluator.names = self.names
        try:
            value = self._evaluator.eval(expr, previously_parsed=previously_parsed)
            if value is not None and (not isinstance(value, _COMMON) or not is_unicode(value)):
                msgspec.json.encode(value)
        except Exception as error:
            msg = f"Setting `{self._places.get(expr, 'stream_maps')}` {_problem(error)}"
            raise ConfigurationError(msg) from error
        return value


def _source(key: str, definition: object) -> str:
    """Return the stream, or the pattern of streams, that a definition is for."""
    source = definition.get("__source__") if isinstance(definition, dict) else None
    return source if isinstance(source, str) else key


def _check_member(place: str, name: str, value: Any, given: Mapping[str, Any]) -> None:
    """Check what a map says of a column."""
    # A column may be named like an operator, but not like a misspelt one
    if name.startswith("__") and difflib.get_close_matches(name, _OPERATORS, n=1, cutoff=0.8):
        _check_operator(place, name, _OPERATORS)
    if name == "__source__" and not (isinstance(value, str) and value.strip()):
        msg = f"Setting `{place}` must be the name of a stream"
        raise ConfigurationError(msg)
    if name in _NO_EXPRESSIONS or value in _REMOVED:
        return
    try:
        # As the SDK parses it, but it would ignore a second statement
        body = ast.parse(value).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        body = []
    if len(body) != 1 or not isinstance(body[0], ast.Expr):
        msg = f"Setting `{place}` is not a valid Python expression"
        raise ConfigurationError(msg)
    for wanted in _config_names(body[0]):
        if wanted not in given:
            msg = f"Setting `{place}` uses config['{wanted}'], which `stream_map_config` lacks"
            raise ConfigurationError(msg)


def _check_operator(place: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        msg = f"Setting `{place}` is no operator of stream maps{meant(name, known)}"
        raise ConfigurationError(msg)


def _config_names(tree: ast.AST) -> Iterator[str]:
    """Yield each name in `config['name']`."""
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(ast.Name("config"), ast.Constant(str() as name)):
                yield name


def _problem(cause: Exception) -> str:
    """Return why an expression failed, without its text, which may hold a salt."""
    match cause:
        case simpleeval.FunctionNotDefined():
            return f"calls `{cause.func_name}`, which is not a function of stream maps"
        case simpleeval.NameNotDefined() if cause.name == "fake":
            return "uses `fake`, for which a package is missing: install `singer-sdk[faker]`"
        case simpleeval.NameNotDefined():
            return f"uses `{cause.name}`, which a record lacks: write record.get('{cause.name}')"
        case KeyError():
            return "uses a field that a record lacks: write record.get('...') for record['...']"
        case AttributeError() | TypeError():
            hint = ", perhaps because a value is null, or no value of JSON"
            return f"fails for a record ({type(cause).__name__}){hint}"
    return f"fails for a record ({type(cause).__name__})"
