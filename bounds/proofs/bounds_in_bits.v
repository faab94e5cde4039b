(* The bounds of Theorem 4.2 as numbers: computed in binary integers, and proven to be bounds.

   Docs: docs/theorems/theorem_4_2.md, "How the numbers are certified". Python:
   `global_bound`, `sharpened_global_bound`, `disjoint_trees_bound`, `shared_leaves_bound`,
   `fact_aware_unembedding_bound`; the number here plus what the rows of the embedding may hold is
   B_T. Each is the integer below log2 of a count, so that it may be compared with what Python
   returns. *)

From Coq Require Import NArith Lia.
From mathcomp Require Import all_ssreflect all_fingroup.
From bounds Require Import setting global_bound sharpened_global_bound local_bounds.
From bounds Require Import fact_aware_bound falling_factorials.

Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

(* With n entities, R relations and k hops, every format with one unembedding for all tuples of
   bijections has bits <= B_T + rows B_e. *)
Definition needs (n R k bits rows : N) : Prop :=
  forall (T : finType) (B_T B_e B_u : nat) (F : format T (N.to_nat R) B_T B_e B_u),
    #|T| = N.to_nat n -> fixed_unembedding F (N.to_nat k) bijections ->
    N.to_nat bits <= B_T + N.to_nat rows * B_e.

(* With rows of the unembedding that may depend on the facts. *)
Definition needs_with_targets (n R k bits rows targets : N) : Prop :=
  forall (T : finType) (B_T B_e B_u : nat) (F : format T (N.to_nat R) B_T B_e B_u),
    #|T| = N.to_nat n -> every_unembedding F (N.to_nat k) bijections ->
    N.to_nat bits <= B_T + N.to_nat rows * B_e + N.to_nat targets * B_u.

Section Binary.
Local Open Scope N_scope.

Definition tree_nodes (R n : N) : N := N.iter n (fun nodes => 1 + R * nodes) 0.

(* 0, which is always a bound, where the condition does not hold. *)
Definition global_bits (n R k : N) : N :=
  if 0 <? k then log2_falling_power n n (if k =? 1 then R else N.pred R) else 0.

Definition disjoint_trees_bits (n R k M : N) : N :=
  if (0 <? k) && (M * tree_nodes R (N.succ k) <=? n)
  then log2_falling_power (n - M * tree_nodes R k) (M * R ^ k) 1 else 0.

Definition shared_leaves_bits (n R k M : N) : N :=
  if (0 <? k) && (M * tree_nodes R k <=? n)
  then log2_falling_power (n - M * tree_nodes R (N.pred k)) (M * R ^ N.pred k) R else 0.

Definition sharpened_global_bits (n R k : N) : N :=
  if (0 <? k) && (1 <? R) then
    floor_log2 (times (power (falling_from (1, 0) (N.to_nat (N.pred n)) (N.pred n)) 2)
      (power (falling_from (1, 0) (N.to_nat n) n) (N.to_nat R - 2)%N))
  else 0.

Definition fact_aware_bits (n R i j M Q : N) : N :=
  if (M * R ^ i =? Q * R ^ j) && (M * tree_nodes R (N.succ i) + Q * tree_nodes R (N.succ j) <=? n)
  then log2_falling_power Q Q (R ^ N.succ j) else 0.

End Binary.

Definition to_natE := (N2Nat.inj_add, N2Nat.inj_mul, N2Nat.inj_sub, N2Nat.inj_succ, to_nat_pow,
  plusE, multE, minusE).

Lemma to_nat_tree R n : N.to_nat (tree_nodes R n) = tree (N.to_nat R) (N.to_nat n).
Proof.
elim/N.peano_ind: n => [|n IHn]; first by rewrite /tree big_ord0.
rewrite /tree_nodes N.iter_succ !to_natE IHn /tree big_ord_recl /=.
by congr (_ + _); rewrite big_distrr; apply: eq_bigr => i _; rewrite expnS.
Qed.

Lemma to_nat_leb a b : (a <=? b)%num -> N.to_nat a <= N.to_nat b.
Proof. by move/N.leb_le/to_nat_le. Qed.

Lemma to_nat_pred_succ k : (0 <? k)%num -> N.to_nat k = (N.to_nat (N.pred k)).+1.
Proof. by move/N.ltb_lt => k_gt0; lia. Qed.

Theorem global_in_bits n R k : needs n R k (global_bits n R k) (n + R).
Proof.
move=> T B_T B_e B_u F T_n recalled; rewrite /global_bits; case: ifP => // k_gt0.
apply: log2_falling_power_bound; rewrite ffactnn !to_natE -T_n; case: N.eqb_spec => [k1 | _].
  by apply: (@global_bound_one_hop _ _ _ _ _ F); move: recalled; rewrite k1.
rewrite N2Nat.inj_pred; move: recalled; rewrite (to_nat_pred_succ k_gt0).
exact: global_bound.
Qed.

Theorem sharpened_global_in_bits n R k : needs n R k (sharpened_global_bits n R k) (n + R).
Proof.
move=> T B_T B_e B_u F T_n recalled; rewrite /sharpened_global_bits.
case: ifP => // /andP[k_gt0 /N.ltb_lt R_gt1].
have {}R_gt1 : 1 < N.to_nat R by apply/leP; lia.
have below_1 : below (1, 0)%num 1 by exact: N.le_refl.
have factorial_below m : below (falling_from (1, 0)%num (N.to_nat m) m) (falling (N.to_nat m) m).
  by rewrite -[falling _ _]N.mul_1_l; apply: falling_from_below.
apply: floor_log2_bound.
  by apply: times_below; apply: power_below; apply: factorial_below.
rewrite !to_natE !to_nat_falling !Nat2N.id !ffactnn N2Nat.inj_pred -T_n.
by move: recalled; rewrite (to_nat_pred_succ k_gt0); apply: sharpened_global_bound.
Qed.

Theorem disjoint_trees_in_bits n R k M : needs n R k (disjoint_trees_bits n R k M) (M + R).
Proof.
move=> T B_T B_e B_u F T_n recalled; rewrite /disjoint_trees_bits.
case: ifP => // /andP[k_gt0 /to_nat_leb]; rewrite !to_natE to_nat_tree !to_natE -T_n => enough.
apply: log2_falling_power_bound; rewrite !to_natE to_nat_tree expn1 -T_n.
move: recalled enough; rewrite (to_nat_pred_succ k_gt0) => recalled.
exact: (disjoint_trees_bound recalled).
Qed.

Theorem shared_leaves_in_bits n R k M : needs n R k (shared_leaves_bits n R k M) (M + R).
Proof.
move=> T B_T B_e B_u F T_n recalled; rewrite /shared_leaves_bits.
case: ifP => // /andP[k_gt0 /to_nat_leb]; rewrite !to_natE to_nat_tree -T_n => enough.
apply: log2_falling_power_bound; rewrite !to_natE to_nat_tree -T_n.
move: recalled enough; rewrite (to_nat_pred_succ k_gt0) => recalled.
exact: (shared_leaves_bound recalled).
Qed.

Theorem fact_aware_in_bits n R i j M Q :
  needs_with_targets n R (i + N.succ j) (fact_aware_bits n R i j M Q) (M + R) Q.
Proof.
move=> T B_T B_e B_u F T_n; rewrite /fact_aware_bits !to_natE => recalled.
case: ifP => // /andP[/N.eqb_spec/(congr1 N.to_nat) same /to_nat_leb].
move: same; rewrite !to_natE !to_nat_tree !to_natE -T_n => same enough.
apply: log2_falling_power_bound; rewrite ffactnn !to_natE.
exact: fact_aware_bound recalled same enough.
Qed.
