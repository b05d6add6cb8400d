"""The web side of a service: application factory, problem details, operators' tokens, embedded server."""

from hub_common.web.app import Health, build_app
from hub_common.web.auth import Operator, OperatorTokens, Role, authenticates, hash_token, operator
from hub_common.web.problems import FieldError, Problem
from hub_common.web.routes import assert_all_routes_authenticated
from hub_common.web.server import WebServer

__all__ = [
    "FieldError",
    "Health",
    "Operator",
    "OperatorTokens",
    "Problem",
    "Role",
    "WebServer",
    "assert_all_routes_authenticated",
    "authenticates",
    "build_app",
    "hash_token",
    "operator",
]
