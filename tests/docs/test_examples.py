"""What the README and the site show is run as it stands there, and prints what it is said to print."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


run_examples, check_site = load("run_examples"), load("check_site")
PAGES = [page for page in run_examples.pages() if any(e.is_run for e in run_examples.examples(page.read_text("utf-8")))]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_run_and_print_what_the_page_says(page):
    done = run_examples.run_page(page.read_text(encoding="utf-8"))
    assert done
    assert run_examples.differences(done) == []


def test_few_blocks_are_left_out_and_each_says_why():
    texts = {page: page.read_text(encoding="utf-8") for page in run_examples.pages()}
    for page, text in texts.items():
        opening = re.findall(r"^```(\S*)\n", text, re.MULTILINE)[::2]
        assert set(opening) <= {"sh", "python", "text", "toml", "{toctree}"}, page
    assert sum(not e.is_run for text in texts.values() for e in run_examples.examples(text)) <= 12


PAGE = """Words

```python
x = 2
print("hidden")
```

```python
print(x + {n})
```

```text
5
```

<!-- not run: needs a window -->
```sh
exit 7
```
"""


def test_names_carry_over_and_outputs_are_compared():
    good = run_examples.run_page(PAGE.format(n=3))
    assert [printed for _, printed in good] == ["hidden\n", "5\n"]
    assert run_examples.differences(good) == []
    bad = run_examples.run_page(PAGE.format(n=4))
    assert "printed\n6" in run_examples.differences(bad)[0]
    assert run_examples.rewritten(PAGE.format(n=4), bad) == PAGE.format(n=4).replace("\n5\n", "\n6\n")


def test_a_failing_example_is_told():
    with pytest.raises(RuntimeError, match="exit code 3"):
        run_examples.run_page("```sh\nexit 3\n```\n")


def test_outside_requests_of_a_site_are_seen(tmp_path):
    (tmp_path / "a.css").write_text(
        "@font-face { src: url(https://fonts.example/x.woff) } p { background: url(no.png) }"
    )
    (tmp_path / "index.html").write_text(
        '<link rel="stylesheet" href="a.css"><script src="//cdn.example/x.js"></script>'
        '<a href="https://example.org">a link is no request</a><img src="data:image/png;base64,AA">'
    )
    assert check_site.problems(tmp_path) == [
        "a.css: asks for https://fonts.example/x.woff",
        "a.css: no.png is missing",
        "index.html: asks for //cdn.example/x.js",
    ]
    assert check_site.main(tmp_path / "nowhere") == 2
