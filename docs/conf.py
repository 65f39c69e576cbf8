"""Settings of the documentation site.

    python -m pip install -e ".[docs]" && python -m sphinx -W --keep-going -b html docs site

Tables of flags, columns, settings, files and commands are written from the code while the site is built, and the
example is run. The built pages ask nothing of the network: `check_site.py` holds that.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from blotquant import __version__

project = "blotquant"
author = "the blotquant authors"
copyright = author
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "numpydoc",
    "sphinx_copybutton",
    "from_code",
    "run_example",
    "mathml",
]
exclude_patterns = ["_ext", "_static", "examples/*.py"]
source_suffix = {".md": "markdown"}
language = "en"

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
toc_object_entries = False
autosummary_generate = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc's Parameters say it in words
numpydoc_show_class_members = False
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "furo"
html_title = "blotquant"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "sidebar_hide_name": False,
    "light_css_variables": {"color-brand-primary": "#0b6e99", "color-brand-content": "#0b6e99"},
    "dark_css_variables": {"color-brand-primary": "#6cc5e9", "color-brand-content": "#6cc5e9"},
}
pygments_style = "friendly"
pygments_dark_style = "monokai"
