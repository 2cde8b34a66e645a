"""How the documentation is built: `make docs`. Nothing is fetched while it builds, and a warning is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform

import judgegen

ROOT = Path(__file__).parent.parent

project = "judgegen"
author = "the judgegen authors"
version = release = judgegen.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "README.md"]
source_suffix = {".md": "markdown"}
nitpicky = True
nitpick_ignore_regex = [("py:.*", r".*")]  # types of other packages are named, not linked: nothing is fetched

myst_heading_anchors = 3
myst_enable_extensions = ["fieldlist"]
suppress_warnings = ["myst.header"]  # pages that are parts of others begin below the first level

autodoc_typehints = "description"
autodoc_member_order = "bysource"
napoleon_google_docstring = True

html_theme = "furo"
html_title = f"judgegen {release}"
html_copy_source = False
html_show_sphinx = False

ELSEWHERE = {"prompts/README.md": "templates", "CHANGELOG.md": "changelog", "CONTRIBUTING.md": "contributing"}
"""Files of the repository that have a page here by another name."""


class InRepository(SphinxPostTransform):
    """A link to a file that is no page leads to the page that shows it, or becomes its name; no file is an error."""

    default_priority = 8  # before the one of MyST, which warns

    def run(self, **_: Any) -> None:
        """Go through the links of a page."""
        for link in list(self.document.findall(addnodes.pending_xref)):
            target = str(link["reftarget"]).partition("#")[0].removeprefix("../")
            if link["reftype"] != "myst" or not target or not (ROOT / target).exists():
                continue
            shown = link[0].deepcopy()
            if target in ELSEWHERE:
                uri = self.app.builder.get_relative_uri(self.env.docname, ELSEWHERE[target])
                shown = nodes.reference("", "", shown, internal=True, refuri=uri)
            link.replace_self(shown)


def setup(app: Any) -> None:
    """Called by the generator."""
    app.add_post_transform(InRepository)
