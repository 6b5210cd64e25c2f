"""Replaying a run: its steps before one are run again, then a model goes on from there, in an environment of its own.

``plan`` says what will run (a checkpoint; ``deeds`` what a step means, ``edit_calls`` its edits, ``keystrokes`` what
was typed, ``observations`` what is recorded), ``environments`` where, ``comparison`` whether it does what it did,
``stepping`` runs it (``edits`` does the edits), ``handing_over`` lets a model go on, ``recording`` writes all of it
down as a run. Nothing here knows the store.
"""
