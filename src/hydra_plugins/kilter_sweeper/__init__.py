"""Where Hydra looks for `hydra/sweeper=kilter`; what the sweeper does is said in kilter.integrations.hydra."""

from __future__ import annotations

from hydra.core.config_store import ConfigStore

from kilter.integrations.hydra import StudySweeper, SweeperSettings


class KilterSweeper(StudySweeper):
    """The sweeper under the name that Hydra insists on: it takes no plug-in from another package."""


ConfigStore.instance().store(group="hydra/sweeper", name="kilter", node=SweeperSettings, provider="kilter")
