"""Metric math, as far as dashboards and alarms of services commonly go: arithmetic, FILL, and sums over metrics."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping

from sandbox.ports import ApiError

Points = dict[int, float]
Value = float | Points | list[Points]

_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_FOLDS: dict[str, Callable[[list[float]], float]] = {
    "SUM": sum,
    "AVG": lambda values: sum(values) / len(values),
    "MIN": min,
    "MAX": max,
}


def evaluate(expression: str, known: Mapping[str, Points], metrics: list[Points], times: list[int]) -> Points:
    """Evaluate an expression over the series `known` by id; `metrics` are those that METRICS() means."""
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
    except SyntaxError:
        raise _refused(expression) from None
    value = _Reader(expression, known, metrics, times).read(tree)
    if isinstance(value, list):
        raise _refused(expression)
    return dict.fromkeys(times, value) if isinstance(value, float) else value


def _refused(expression: str) -> ApiError:
    return ApiError("ValidationError", f"Error in expression '{expression}': it is not supported here.")


class _Reader:
    def __init__(
        self, expression: str, known: Mapping[str, Points], metrics: list[Points], times: list[int]
    ) -> None:
        self._expression = expression
        self._known = known
        self._metrics = metrics
        self._times = times

    def read(self, node: ast.expr) -> Value:
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return float(node.value)
        if isinstance(node, ast.Name) and node.id in self._known:
            return self._known[node.id]
        if isinstance(node, ast.List):
            return [self._series(item) for item in node.elts]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return self._joined(operator.sub, 0.0, self.read(node.operand))
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return self._joined(_OPERATORS[type(node.op)], self.read(node.left), self.read(node.right))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self._call(node.func.id.upper(), node.args)
        raise _refused(self._expression)

    def _series(self, node: ast.expr) -> Points:
        value = self.read(node)
        if not isinstance(value, dict):
            raise _refused(self._expression)
        return value

    def _call(self, name: str, arguments: list[ast.expr]) -> Value:
        if name == "METRICS" and not arguments:
            return list(self._metrics)
        if name == "FILL" and len(arguments) == 2:
            series, filler = self._series(arguments[0]), self.read(arguments[1])
            if isinstance(filler, float):
                return {time: series.get(time, filler) for time in self._times}
        if name in _FOLDS and len(arguments) == 1:
            return self._fold(_FOLDS[name], self.read(arguments[0]))
        raise _refused(self._expression)

    def _fold(self, fold: Callable[[list[float]], float], value: Value) -> Value:
        if isinstance(value, float):
            return value
        if isinstance(value, dict):
            return fold(list(value.values())) if value else 0.0
        times = {time for series in value for time in series}
        return {time: float(fold([one[time] for one in value if time in one])) for time in sorted(times)}

    def _joined(self, join: Callable[[float, float], float], left: Value, right: Value) -> Value:
        """Join two values minute by minute; what has no partner or would divide by zero is left out."""
        if isinstance(left, list) or isinstance(right, list):
            raise _refused(self._expression)
        if isinstance(left, float) and isinstance(right, float):
            return join(left, right) if right or join is not operator.truediv else 0.0
        times = left.keys() if isinstance(left, dict) else right.keys() if isinstance(right, dict) else ()
        result: Points = {}
        for time in times:
            one = left.get(time) if isinstance(left, dict) else left
            other = right.get(time) if isinstance(right, dict) else right
            if one is not None and other is not None and (other or join is not operator.truediv):
                result[time] = join(one, other)
        return result
