"""``python -m sirrchat_testkit``."""

from sirrchat_testkit.cli import main

raise SystemExit(main())
