"""An Ansible collection of finished plans: a role that has each machine apply its own.

The work stays with rocm-patch on the machine, whose journal can undo it: tasks that did the
same by Ansible's modules could not. Knows plan files as bytes and Ansible's layout; judges nothing.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from rocm_patch.errors import UsageError

_GALAXY = """\
# Written by `rocm-patch --host ... plan --ansible`.
namespace: rocm_patch
name: plans
version: 1.0.0
readme: README.md
authors: [rocm-patch]
description: Plans of rocm-patch for the machines that they were made for
license: [MIT]
build_ignore: []
"""
_TASKS = """\
# Each machine gets the plan of its inventory name; one that has none is passed over, and says so.
- name: Say that there is no plan for this machine
  ansible.builtin.debug:
    msg: no plan was made for {{ inventory_hostname }}
  when: inventory_hostname not in rocm_patch_plans

- name: Apply this machine's plan
  when: inventory_hostname in rocm_patch_plans
  become: true
  block:
    - name: Make a folder that root alone can write to
      ansible.builtin.tempfile:
        state: directory
        suffix: .rocm-patch
      register: rocm_patch_folder
      check_mode: false
      changed_when: false

    - name: Copy the plan
      ansible.builtin.copy:
        src: "{{ inventory_hostname }}.json"
        dest: "{{ rocm_patch_folder.path }}/plan.json"
        owner: root
        group: root
        mode: "0600"
      check_mode: false
      changed_when: false

    - name: Apply it as one transaction, or say what would be done
      ansible.builtin.command:
        argv:
          - rocm-patch
          - apply
          - "{{ rocm_patch_folder.path }}/plan.json"
          - "{{ '--dry-run' if ansible_check_mode else '--yes' }}"
      register: rocm_patch_apply
      check_mode: false
      changed_when: not ansible_check_mode and 'nothing to do' not in rocm_patch_apply.stdout
  always:
    - name: Remove the copy
      ansible.builtin.file:
        path: "{{ rocm_patch_folder.path }}"
        state: absent
      check_mode: false
      changed_when: false
      when: rocm_patch_folder.path is defined
"""
_PLAYBOOK = """\
- name: Apply the plans of rocm-patch
  hosts: "{{ rocm_patch_hosts | default('all') }}"
  gather_facts: false
  roles:
    - rocm_patch.plans.apply
"""
_README = """\
# Plans of rocm-patch

    ansible-galaxy collection install .
    ansible-playbook --inventory INVENTORY --check rocm_patch.plans.apply
    ansible-playbook --inventory INVENTORY rocm_patch.plans.apply

The inventory names the machines as --host did. rocm-patch must be installed on them; what is done
stands in its journal there, and `rocm-patch rollback` undoes it.
"""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*")


def write(folder: Path, plans: dict[str, Any]) -> list[Path]:
    """Write the collection into a new folder; give its files."""
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty", cause="nothing is overwritten", step="name a new folder")
    for host in plans:
        if not _NAME.fullmatch(host):
            raise UsageError(
                f"{host} is no name for an inventory", step="give it a name in ~/.ssh/config, and use that"
            )
    role = folder / "roles" / "apply"
    files = {
        folder / "galaxy.yml": _GALAXY,
        folder / "README.md": _README,
        folder / "meta" / "runtime.yml": 'requires_ansible: ">=2.14"\n',
        folder / "playbooks" / "apply.yml": _PLAYBOOK,
        role / "tasks" / "main.yml": _TASKS,
        role / "vars" / "main.yml": f"rocm_patch_plans: {json.dumps(sorted(plans))}\n",
    }
    files |= {
        role / "files" / f"{host}.json": json.dumps(plan, indent=2) + "\n" for host, plan in plans.items()
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return list(files)
