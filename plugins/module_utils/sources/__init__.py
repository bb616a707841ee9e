# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kinds of data that can be protected, one file each, all with the operations of base.Source; kinds.py finds them.

Note that this module util is private to the collection.
"""
