"""An explorer in one page: drag the problem and see its optimum. The closed form runs in the page, written anew.

bundle    the page's ES modules as one script
theorems  the catalogue's theorems as the page has them
document  the page as text, and in a notebook
__main__  python -m ufm.explore
"""

from ufm.facade import facade

__all__, __getattr__, __dir__ = facade(__name__, {"document": "Explorer explorer_page"})
