"""The demonstration: three institutions, a coordinator and a regulator as real processes on this machine.

   from workbench.demo import Request, demo
   summary = demo(Request(out=Path("out/demo")))

inputs     the files: a drawn population, or one owner's file dealt to three institutions
processes  `fedscore` commands as processes that never outlive the demonstration
cast       the acts: found, join, train, score, ledgers
calls      `fedscore` commands that are run without a process of their own
epoch      the acts of the private query: open an epoch, publish, ask, close
plain      what those must answer, from all institutions' files side by side
witness    what reached each party, searched for identifiers
masked     what the coordinator saw of every masked round
lookup     private queries from first to last
rights     permission and rights: `consent`, `bypass` and `spot_check`, `inquirers`, `dispute`, `blind`
oracle     exact figures on records kept out of training, and baselines without privacy
summary    what was found, as documents
play       all of it in order
"""

from workbench.demo.play import Request, demo
from workbench.demo.processes import DemoFailed

__all__ = ["DemoFailed", "Request", "demo"]
