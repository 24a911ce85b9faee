"""Property tests draw the same examples every time; HYPOTHESIS_PROFILE=explore draws new ones.

No test sees or fills the user's own cache of vectors.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("same", derandomize=True, database=None, deadline=None)
settings.register_profile("explore", print_blob=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@pytest.fixture(autouse=True, scope="session")
def _own_vectors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAMESPACE_VECTOR_CACHE", str(tmp_path_factory.mktemp("vectors")))
        yield
