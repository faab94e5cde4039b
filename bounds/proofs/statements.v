(* Theorem 4.2: the two statements to read first. What the words mean is defined in setting.v.

   Docs: docs/theorems/theorem_4_2.md, "Statement". Python: bounds/theorem_4_2.py.

   T is the set of entities, N = #|T|; F a format with B_T internal bits, B_e bits for a token's
   row of the embedding, B_u bits for an entity's row of the unembedding. `fixed_unembedding F k
   bijections`: one unembedding is chosen once, and then every tuple of bijections is recalled by
   some other weights of the format: all queries of k hops are answered right.
   `every_unembedding`: the unembedding may depend on the facts, too.

   `up_log 2 n` is the least e with n <= 2^e; `n ^_ l` the falling factorial n (n-1) ... (n-l+1);
   `tree R n` the number 1 + R + ... + R^(n-1); n.-1 and n.+1 are n - 1 and n + 1. *)

From mathcomp Require Import all_ssreflect all_fingroup.
From bounds Require Import setting global_bound sharpened_global_bound local_bounds.
From bounds Require Import fact_aware_bound.

Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

Section TheoremFourTwo.
Variables (T : finType) (R B_T B_e B_u : nat) (F : format T R B_T B_e B_u) (k : nat).
Local Notation N := #|T|.

Theorem theorem_4_2_fixed_unembedding : 0 < k -> fixed_unembedding F k bijections ->
  [/\ (* global *)
      up_log 2 (N`! ^ (if k == 1 then R else R.-1)) <= B_T + (N + R) * B_e,
      (* sharpened global: (N!)^R / N^2 tables *)
      1 < R -> up_log 2 (N.-1`! ^ 2 * N`! ^ (R - 2)) <= B_T + (N + R) * B_e,
      (* disjoint trees *)
      forall M, M * tree R k.+1 <= N ->
        up_log 2 ((N - M * tree R k) ^_ (M * R ^ k)) <= B_T + (M + R) * B_e &
      (* shared leaves *)
      forall M, M * tree R k <= N ->
        up_log 2 (((N - M * tree R k.-1) ^_ (M * R ^ k.-1)) ^ R) <= B_T + (M + R) * B_e].
Proof.
case: k => // d _ recalled; split=> [|R_gt1|M enough|M enough]; apply: up_log_min => //.
- by case: eqP recalled => [[->] | _]; [exact: global_bound_one_hop | exact: global_bound].
- exact: sharpened_global_bound R_gt1 recalled.
- exact: disjoint_trees_bound recalled enough.
- exact: shared_leaves_bound recalled enough.
Qed.

Theorem theorem_4_2_every_unembedding : every_unembedding F k bijections ->
  forall i j M Q, i + j + 1 = k -> M * R ^ i = Q * R ^ j ->
    M * tree R i.+1 + Q * tree R j.+1 <= N ->
    up_log 2 (Q`! ^ (R ^ j.+1)) <= B_T + (M + R) * B_e + Q * B_u.
Proof.
move=> recalled i j M Q; rewrite addn1 -addnS => k_eq same enough.
by apply: up_log_min => //; move: recalled; rewrite -k_eq => /fact_aware_bound; apply.
Qed.

End TheoremFourTwo.
