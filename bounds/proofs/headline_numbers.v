(* The numbers that docs/theorems/theorem_4_2.md has for N = 4096, R = 4, k = 3, with a fixed
   unembedding: bits <= B_T + rows B_e.

   Docs: docs/theorems/theorem_4_2.md, the table under "How tight it is" (Shared leaves). Python:
   `shared_leaves_bound(4096, 4, 3, B_e)` is bits - rows B_e where it is attained. *)

From Coq Require Import NArith.
From mathcomp Require Import all_ssreflect.
From bounds Require Import bounds_in_bits.

Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

Local Open Scope N_scope.

(* M = 195: the largest for B_e = 0. *)
Theorem headline_shared_leaves : needs 4096 4 3 126929 199.
Proof.
have -> : 126929 = shared_leaves_bits 4096 4 3 195 by vm_compute.
have -> : 199 = 195 + 4 by vm_compute.
exact: shared_leaves_in_bits.
Qed.

(* M = 174: the largest for B_e = 504. *)
Theorem headline_shared_leaves_504 : needs 4096 4 3 118805 178.
Proof.
have -> : 118805 = shared_leaves_bits 4096 4 3 174 by vm_compute.
have -> : 178 = 174 + 4 by vm_compute.
exact: shared_leaves_in_bits.
Qed.

Theorem headline_global : needs 4096 4 3 129750 4100.
Proof.
have -> : 129750 = global_bits 4096 4 3 by vm_compute.
have -> : 4100 = 4096 + 4 by vm_compute.
exact: global_in_bits.
Qed.
