"""The edits that make a service known to the repository: each a pure function from a file's text to its new text.

Done twice, an edit changes nothing the second time, so an interrupted registration is repeated and not repaired. Where
a file no longer has the place that an edit needs, it says so instead of guessing another.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Sequence

from hub_tools.scaffold.errors import ScaffoldError
from hub_tools.scaffold.service_names import Service, constant_of

NEIGHBOUR = "ops_console"
"""Stands last among the services everywhere; new ones go in front of it."""
SANDBOX_PORT = 8190
WIDTH = 120
_WORDS = (
    "Eleven",
    "Twelve",
    "Thirteen",
    "Fourteen",
    "Fifteen",
    "Sixteen",
    "Seventeen",
    "Eighteen",
    "Nineteen",
    "Twenty",
)


def topics(text: str, topic: str, writer: str, key: str) -> str:
    """`topics.py` with a constant for the topic and its entry at the end of `TOPICS`."""
    constant = constant_of(topic)
    if re.search(rf"^{constant} = ", text, re.MULTILINE):
        return text
    start = text.find("\nTOPICS: tuple")
    end = text.find("\n)\n", start)
    if start < 0 or end < 0:
        raise _no_place("topics.py", "the tuple TOPICS")
    entry = f'\n    Topic({constant}, "{writer}", "{key}"),'
    return text[:start].rstrip("\n") + f'\n{constant} = "{topic}"\n' + text[start:end] + entry + text[end:]


def listeners(text: str, topic: str, service: str, listens: Sequence[str]) -> str:
    """`listeners.py` with the service in front of the console at each topic it listens to, and with its own topic."""
    wanted = {f"topics.{constant_of(name)}" for name in listens}
    table = _table(text)
    known = {ast.unparse(key): value for key, value in zip(table.keys, table.values, strict=True) if key is not None}
    if missing := wanted - known.keys():
        raise _no_place("listeners.py", ", ".join(sorted(missing)))
    lines = text.splitlines(keepends=True)
    inserts: list[tuple[int, str]] = []
    for name in wanted:
        value = known[name]
        members = value.elts if isinstance(value, ast.Tuple) else []
        if any(isinstance(member, ast.Constant) and member.value == service for member in members):
            continue
        if not members or ast.unparse(members[-1]) != "CONSOLE":
            raise _no_place("listeners.py", f"CONSOLE at the end of {name}")
        inserts.append((_offset(lines, members[-1].lineno, members[-1].col_offset), f'"{service}", '))
    if f"topics.{constant_of(topic)}" not in known:
        at = _offset(lines, table.end_lineno or 0, (table.end_col_offset or 0) - 1)
        inserts.append((at, f"    topics.{constant_of(topic)}: (CONSOLE,),\n"))
    for at, new in sorted(inserts, reverse=True):
        text = text[:at] + new + text[at:]
    return text


def compose(text: str, service: Service) -> str:
    """`docker-compose.yml` with the service in front of the sandbox, its database, and a port nobody has."""
    if f"\n  {service.name}:\n    <<: *service\n" not in text:
        used = [int(port) for port in re.findall(r'"127\.0\.0\.1:(\d+):8080"', text)]
        port = max((each for each in used if each < SANDBOX_PORT), default=8100) + 1
        while port in used:
            port += 1
        place = text.find("\n  sandbox:\n")
        if place < 0:
            raise _no_place("docker-compose.yml", "the service sandbox")
        text = text[: place + 1] + _compose_entry(service, port) + text[place:]
    found = re.search(r"\n( +)HUB_SERVICES: >-\n((?:\1  \S+\n)+)", text)
    if found is None:
        raise _no_place("docker-compose.yml", "HUB_SERVICES of postgres")
    if service.name in found[2].split():
        return text
    indent = found[1] + "  "
    names = [*found[2].split(), service.name]
    last = NEIGHBOUR.replace("_", "-")
    names.sort(key=lambda name: name == last)
    return text[: found.start(2)] + "".join(f"{indent}{name}\n" for name in names) + text[found.end(2) :]


def _compose_entry(service: Service, port: int) -> str:
    role = f"hub_{service.package}"
    return textwrap.indent(
        f"{service.name}:\n"
        "  <<: *service\n"
        f'  command: ["{service.package}"]\n'
        "  environment:\n"
        "    <<: *environment\n"
        f"    HUB_DATABASE_DSN: postgresql://{role}:${{HUB_DATABASE_PASSWORD}}@postgres:5432/{role}\n"
        f'  ports: ["127.0.0.1:{port}:8080"]\n',
        "  ",
    )


def importlinter(text: str, package: str, *, domain: bool) -> str:
    """`.importlinter` with the package in every list in which its neighbour stands: nothing escapes the layers."""
    blocks = re.split(r"(?<=\n)(?=\S)", text)
    if not any(f"\n    {NEIGHBOUR}\n" in block for block in blocks):
        raise _no_place(".importlinter", f"a list with {NEIGHBOUR}")
    return "".join(_in_block(block, package, domain=domain) for block in blocks)


def _in_block(block: str, package: str, *, domain: bool) -> str:
    """One `name =` block with its indented lines."""
    if not re.search(rf"[ \n]{package}[ \n]", block):
        block = re.sub(rf"^    {NEIGHBOUR}$", f"    {package}\n    {NEIGHBOUR}", block, flags=re.MULTILINE)
        block = re.sub(rf"\| {NEIGHBOUR} \|", f"| {package} | {NEIGHBOUR} |", block)
    if domain and f"    {package}.domain\n" not in block:
        own, other = f"    {package}.domain", f"    {NEIGHBOUR}.domain"
        block = re.sub(rf"^{other}$", f"{own}\n{other}", block, flags=re.MULTILINE)
    return block


def first_party(text: str, package: str) -> str:
    """The root's `pyproject.toml` with the package among those whose imports are sorted as our own."""
    if f'"{package}"' in text:
        return text
    if f'"{NEIGHBOUR}"' not in text:
        raise _no_place("pyproject.toml", f"known-first-party with {NEIGHBOUR}")
    return text.replace(f'"{NEIGHBOUR}"', f'"{package}", "{NEIGHBOUR}"', 1)


def table_row(text: str, name: str, cells: Sequence[str], where: str) -> str:
    """A Markdown table with one more row in front of the console's."""
    if f"\n| {name} |" in text:
        return text
    place = text.find("\n| ops-console |")
    if place < 0:
        raise _no_place(where, "a table with ops-console")
    return text[:place] + "\n| " + " | ".join((name, *cells)) + " |" + text[place:]


def ports(text: str, compose_text: str) -> str:
    """The README with the range of ports that compose really has."""
    used = [int(port) for port in re.findall(r'"127\.0\.0\.1:(\d+):8080"', compose_text)]
    highest = max(port for port in used if port < SANDBOX_PORT)
    return re.sub(r"(`127\.0\.0\.1:8101` to )`\d+`", rf"\1`{highest}`", text)


def roll_call(text: str, name: str) -> str:
    """`operations.md` with the service in its opening sentence, and the sentence counting right."""
    found = re.search(
        r"^(\w+) services, each one process [^:]*:\s([^.]*)\.(.*?)(?=\n\n)", text, re.MULTILINE | re.DOTALL
    )
    if found is None:
        raise _no_place("docs/operations.md", "the sentence that lists the services")
    names = [each.strip() for each in found[2].split(",")]
    if name in names:
        return text
    names.insert(len(names) - 1, name)
    count = _WORDS[len(names) - 11] if 0 <= len(names) - 11 < len(_WORDS) else str(len(names))
    lead = found[0][len(found[1]) : found.start(2) - found.start()]
    sentence = f"{count}{lead}{', '.join(names)}.{found[3]}"
    return text[: found.start()] + textwrap.fill(sentence, WIDTH, break_on_hyphens=False) + text[found.end() :]


def _table(text: str) -> ast.Dict:
    for node in ast.parse(text).body:
        if (
            isinstance(node, ast.AnnAssign)
            and ast.unparse(node.target) == "LISTENERS"
            and isinstance(node.value, ast.Dict)
        ):
            return node.value
    raise _no_place("listeners.py", "the table LISTENERS")


def _offset(lines: Sequence[str], line: int, column: int) -> int:
    """Position in the text; the table is plain ASCII, so that bytes are characters."""
    return sum(map(len, lines[: line - 1])) + column


def _no_place(file: str, what: str) -> ScaffoldError:
    return ScaffoldError(f"{file}: does not have {what} any more, so the service cannot be registered there")
